"""A model as the model server would run it: loaded by the server's own rules, never as a pickle.

The champion is judged through this, and so is what was just packed: what passes here is what users will meet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viridian.serving import bundle, runtime
from viridian.serving.batch import Batch
from viridian.serving.errors import ServingError
from viridian.serving.integrity import verify_directory
from viridian.serving.outputs import LABEL, PREDICTION, PROBABILITIES
from viridian.serving.signature import Column, Kind, Table
from viridian.training.holdout import Holdout
from viridian.training.rows import Rows
from viridian.training.scores import Prediction


class NotServed(Exception):
    """The model server would not serve this model, or not for these rows; the message is one sentence for people."""


class Served:
    """A model version in a directory, ready to predict."""

    def __init__(self, directory: Path) -> None:
        try:
            verify_directory(directory, digest="")
            self._runtime = runtime.load(bundle.read(directory), threads=1)
        except ServingError as error:
            raise NotServed(str(error)) from error

    def predict(self, holdout: Holdout) -> Prediction:
        """Its predictions for the rows of the holdout, from the columns that its own signature asks for."""
        batch = self._batch(holdout.rows)
        try:
            answers = self._runtime.predict(batch)
        except Exception as error:
            # Whatever a model raises; its text may hold a customer's values, so only its kind is told.
            raise NotServed(f"the model raises {type(error).__name__} for rows of the holdout") from error
        outputs = {answer.name: answer.values for answer in answers}
        for name in (LABEL, PREDICTION):
            if name in outputs:
                return Prediction(outputs[name].ravel(), outputs.get(PROBABILITIES))
        raise NotServed(f"the model answers {', '.join(sorted(outputs))}, and neither labels nor predictions")

    def _batch(self, rows: Rows) -> Batch:
        signature = self._runtime.signature
        if isinstance(signature, Table):
            vectors = {column.name: _vector(column, rows) for column in signature.columns}
            if signature.numeric:
                return Batch(len(rows), matrix=np.column_stack(list(vectors.values())))
            return Batch(len(rows), columns=vectors)
        if not rows.numeric:
            raise NotServed("the model takes a matrix of numbers, and the holdout has columns that are none")
        if signature.width not in (None, len(rows.columns)):
            raise NotServed(f"the model takes {signature.width} columns, and the holdout has {len(rows.columns)}")
        return Batch(len(rows), matrix=rows.matrix)


def _vector(column: Column, rows: Rows) -> NDArray[Any]:
    """The values of a column of the signature, as the server's reader would give them."""
    if column.name not in rows.values:
        raise NotServed(f"the holdout has no column {column.name!r}")
    values = rows.values[column.name]
    kind = next(known.type for known in rows.columns if known.name == column.name)
    told = {"boolean": Kind.BOOLEAN, "string": Kind.STRING}.get(kind, Kind.FLOAT)
    if told is not column.kind and not (told.numeric and column.kind.numeric):
        raise NotServed(f"the model takes {column.kind.value} as {column.name!r}, and the holdout has {told.value}")
    if column.kind is Kind.BOOLEAN and not column.required:
        return values.astype(object)
    return values

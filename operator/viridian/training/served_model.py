"""A model as the model server would run it: loaded by the server's own rules, never as a pickle.

The champion is judged through this, and so is what was just packed. Rows go through the server's own reader: what
passes here is what users will meet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from viridian.serving.bundle import contents
from viridian.serving.bundle.integrity import verify_directory
from viridian.serving.data.batch import Batch, Reader, TableReader
from viridian.serving.data.outputs import LABEL, PREDICTION, PROBABILITIES
from viridian.serving.errors import BadInput, ServingError
from viridian.serving.execution import model
from viridian.serving.protocols.protocol_v2 import check_complete
from viridian.serving.runtimes import loader
from viridian.training.partial_predictions import Asked, asked
from viridian.training.rows import DatasetColumn, Rows
from viridian.training.scores import Predicted


class NotServed(Exception):
    """The model server would not serve this model, or not for these rows; the message is one sentence for people."""


class LoadedVersion:
    """A model version in a directory, ready to predict."""

    def __init__(self, directory: Path) -> None:
        try:
            verify_directory(directory, digest="")
            self._runtime = loader.load(contents.read(directory), threads=1)
        except ServingError as error:
            raise NotServed(str(error)) from error
        self._reader = model.reader(self._runtime.signature)

    def predict(self, rows: Rows) -> Predicted:
        """Its predictions for rows of the holdout, from the columns that its own signature asks for."""
        try:
            return self._predict(rows)
        except BadInput as error:
            raise NotServed(f"the server refuses rows of the holdout: {error.message}") from error
        except NotServed:
            raise
        except Exception as error:
            # Whatever a model raises; its text may hold a customer's values, so only its type is shown.
            raise NotServed(f"the model raises {type(error).__name__} for rows of the holdout") from error

    def classifies(self, rows: Rows) -> bool:
        """Whether it answers with labels, and not with numbers, as its answer to the first row shows."""
        first = rows.take(np.zeros(min(1, len(rows)), dtype=np.int64))
        return any(answer.name == LABEL for answer in self._runtime.predict(batch_of(first, self._reader)))

    def asked(self, rows: Rows) -> Asked:
        """Its predictions for those of the rows that it answers."""
        return asked(lambda chosen: self._predict(rows.take(chosen)), len(rows))

    def _predict(self, rows: Rows) -> Predicted:
        outputs = {answer.name: answer.values for answer in self._runtime.predict(batch_of(rows, self._reader))}
        for name in (LABEL, PREDICTION):
            if name in outputs:
                return Predicted(outputs[name].ravel(), outputs.get(PROBABILITIES))
        raise NotServed(f"the model answers {', '.join(sorted(outputs))}, and neither labels nor predictions")


def batch_of(rows: Rows, reader: Reader) -> Batch:
    """The rows as the server reads them from a request; BadInput where it would refuse them."""
    if not isinstance(reader, TableReader):
        if not rows.numeric:
            raise NotServed("the model takes a matrix of numbers, and the holdout has columns that are none")
        check_complete(rows.matrix, rows.names, reader.matrix.name, nullable=False)
        return reader.from_matrix(rows.matrix)
    given = {column.name: column for column in rows.columns}
    known = [given[column.name] for column in reader.table.columns if column.name in given]
    for column in reader.table.columns:
        if column.required and column.name not in given:
            raise NotServed(f"the holdout has no column {column.name!r}")
    if reader.table.numeric and all(one.numeric for one in known) and len(known) == len(reader.names):
        matrix = np.column_stack([rows.values[one.name] for one in known])
        check_complete(matrix, reader.names, "the holdout", reader.nullable)
        return reader.from_matrix(matrix)
    return reader.from_columns({one.name: _values(one, rows) for one in known}, "the holdout")


def _values(column: DatasetColumn, rows: Rows) -> list[Any]:
    """As JSON has them: null for a gap."""
    values = rows.values[column.name]
    plain: list[Any] = values.tolist()
    return [None if value != value else value for value in plain]

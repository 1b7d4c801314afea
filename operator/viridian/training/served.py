"""A model as the model server would run it: loaded by the server's own rules, never as a pickle.

The champion is judged through this, and so is what was just packed: what passes here is what users will meet.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from viridian.serving import bundle, runtime
from viridian.serving.batch import Batch
from viridian.serving.errors import ServingError
from viridian.serving.integrity import verify_directory
from viridian.serving.outputs import LABEL, PREDICTION, PROBABILITIES
from viridian.serving.signature import Table
from viridian.training.holdout import Holdout
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
        matrix = self._matrix(holdout)
        try:
            answers = self._runtime.predict(Batch(rows=len(matrix), matrix=matrix))
        except Exception as error:
            # Whatever a model raises; its text may hold a customer's values, so only its kind is told.
            raise NotServed(f"the model raises {type(error).__name__} for rows of the holdout") from error
        outputs = {answer.name: answer.values for answer in answers}
        for name in (LABEL, PREDICTION):
            if name in outputs:
                return Prediction(outputs[name].ravel(), outputs.get(PROBABILITIES))
        raise NotServed(f"the model answers {', '.join(sorted(outputs))}, and neither labels nor predictions")

    def _matrix(self, holdout: Holdout) -> NDArray[np.float64]:
        signature = self._runtime.signature
        if isinstance(signature, Table):
            if not signature.numeric:
                raise NotServed("the model takes columns that are no numbers, which cannot be judged yet")
            return holdout.named([column.name for column in signature.columns])
        if signature.width not in (None, holdout.matrix.shape[1]):
            width = holdout.matrix.shape[1]
            raise NotServed(f"the model takes {signature.width} columns, and the holdout has {width}")
        return holdout.matrix

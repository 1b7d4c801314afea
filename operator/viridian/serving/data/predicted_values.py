"""What an answer predicts, row by row: what is counted, sent to the collector and joined with outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viridian.api.privacy import plain
from viridian.api.profile import Task
from viridian.serving.data.outputs import LABEL, PREDICTION, PROBABILITIES, Output

_CLASSES_OF_BINARY = 2


def task_of(outputs: Sequence[Output]) -> Task:
    """What kind of model answers like this: for models that say nothing of it themselves."""
    shapes = {output.name: output.values.shape for output in outputs}
    if LABEL not in shapes:
        return Task.REGRESSION
    return Task.BINARY if shapes.get(PROBABILITIES, ())[1:] == (_CLASSES_OF_BINARY,) else Task.MULTICLASS


def scores(outputs: Sequence[Output]) -> NDArray[np.float64] | None:
    """Of a binary classifier: the probability of the positive class. None where it gives no probabilities."""
    given = _named(outputs, PROBABILITIES)
    if given is None or given.shape[1:] != (_CLASSES_OF_BINARY,):
        return None
    return given[:, 1].astype(np.float64)


def labels(outputs: Sequence[Output]) -> list[str] | None:
    """Of a classifier: the class of each row, as text."""
    given = _named(outputs, LABEL)
    return None if given is None or given.ndim != 1 else [plain(value) for value in given.tolist()]


def numbers(outputs: Sequence[Output]) -> NDArray[np.float64] | None:
    """Of a regressor: the value for each row. None where the answer holds no one number for each row."""
    given = _named(outputs, PREDICTION)
    if given is None or given.ndim != 1 or given.dtype.kind not in "iuf":
        return None
    return given.astype(np.float64)


def _named(outputs: Sequence[Output], name: str) -> NDArray[Any] | None:
    return next((output.values for output in outputs if output.name == name), None)

"""What a model answers: named arrays with one row for each row that was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viridian.api.feedback import SCORE_ROUNDING
from viridian.serving.data.datatypes import word

LABEL: Final = "label"
PROBABILITIES: Final = "probabilities"
PREDICTION: Final = "prediction"


@dataclass(frozen=True, slots=True)
class Output:
    """A classifier gives `label` and `probabilities`, a regressor gives `prediction`."""

    name: str
    values: NDArray[Any]

    @property
    def datatype(self) -> str:
        """In the words of the Open Inference Protocol; strings are BYTES."""
        return word(self.values)


def finite(outputs: Sequence[Output]) -> bool:
    """No number of any output is NaN or infinite."""
    return all(np.isfinite(o.values).all() for o in outputs if np.issubdtype(o.values.dtype, np.number))


def probabilities(values: NDArray[Any]) -> NDArray[Any]:
    """Without what rounding adds: 32-bit sums over many trees end a little above 1, and what is left a little below 0.

    Only where a row is a distribution but for rounding. Anything else is what the model says, and is left as it is.
    """
    if values.ndim != 2 or values.dtype.kind != "f" or not values.size or (values.min() >= 0 and values.max() <= 1):
        return values
    near = ((values >= -SCORE_ROUNDING) & (values <= 1 + SCORE_ROUNDING)).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        near &= np.abs(values.sum(axis=1, dtype=np.float64) - 1) <= SCORE_ROUNDING * values.shape[1]
    return np.where(near[:, None], values.clip(0, 1), values)


def join(answers: Sequence[Sequence[Output]]) -> list[Output]:
    """The rows of several answers of one model, one below the other."""
    if len(answers) == 1:
        return list(answers[0])
    return [
        Output(first.name, np.concatenate([answer[place].values for answer in answers]))
        for place, first in enumerate(answers[0])
    ]


def split(outputs: Sequence[Output], sizes: Sequence[int]) -> list[list[Output]]:
    """One answer for each so many rows; the reverse of `join`."""
    ends = np.cumsum(sizes)
    return [
        [Output(output.name, output.values[end - size : end]) for output in outputs]
        for size, end in zip(sizes, ends.tolist(), strict=True)
    ]

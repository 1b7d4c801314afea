"""When two predictions are those of the same model."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viridian.training.scores import Predicted

TOLERANCE: Final = 1e-4
"""Largest difference of a probability, or of a number relative to the spread of the predictions."""


def difference(expected: Predicted, got: Predicted, spread: float | None = None) -> str | None:
    """What keeps the two from being the same model, in words; None when nothing does.

    A label may differ only where the estimator itself was undecided within twice the tolerance. Where `spread` is
    given, a number may differ by the tolerance of its own size as well: it is that of usual rows, and these are not.
    """
    if not comparable(expected, got):
        return "it gives other probabilities"
    if expected.probabilities is not None and got.probabilities is not None:
        largest = float(_farthest(expected.probabilities, got.probabilities).max())
        if not largest < TOLERANCE:
            return f"a probability differs by {largest:.2g}"
    elif _numbers(expected):
        largest = float(_relative(expected, got, spread).max())
        return None if largest < TOLERANCE else f"a prediction differs by {largest:.2g} of their spread"
    count = int(_flips(expected, got).sum())
    return f"{count} labels differ" if count else None


def comparable(expected: Predicted, got: Predicted) -> bool:
    """Both have probabilities of as many classes, or none does."""
    shapes = [None if one.probabilities is None else one.probabilities.shape for one in (expected, got)]
    return shapes[0] is None or shapes[0] == shapes[1]


def differing(expected: Predicted, got: Predicted, spread: float) -> NDArray[np.bool_]:
    """In which rows `difference` would find one."""
    if not comparable(expected, got):
        return np.ones(len(expected.values), np.bool_)
    if expected.probabilities is not None and got.probabilities is not None:
        far = ~(_farthest(expected.probabilities, got.probabilities) < TOLERANCE)
        return np.asarray(far | _flips(expected, got))
    if _numbers(expected):
        return np.asarray(~(_relative(expected, got, spread) < TOLERANCE))
    return _flips(expected, got)


def spread_of(prediction: Predicted) -> float:
    """How far apart predicted numbers are; 1 of labels."""
    if not _numbers(prediction):
        return 1.0
    return float(np.ptp(prediction.values)) or max(1.0, float(np.abs(prediction.values).max()))


def _numbers(prediction: Predicted) -> bool:
    return prediction.probabilities is None and prediction.values.dtype.kind == "f"


def _farthest(expected: NDArray[Any], got: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(_distance(expected, got).max(axis=1, initial=0.0))


def _relative(expected: Predicted, got: Predicted, spread: float | None) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        allowed = spread_of(expected) if spread is None else spread + np.abs(expected.values)
        distance = _distance(expected.values, got.values)
        return np.where(distance == 0.0, 0.0, distance / allowed)


def _distance(expected: NDArray[Any], got: NDArray[Any]) -> NDArray[np.float64]:
    """Equal infinities are no distance apart, nor are NaN and NaN; NaN and a number are infinitely far."""
    with np.errstate(all="ignore"):
        distance = np.abs(expected.astype(np.float64) - got.astype(np.float64))
    same = (expected == got) | (np.isnan(expected) & np.isnan(got))
    return np.where(same, 0.0, distance)


def _flips(expected: Predicted, got: Predicted) -> NDArray[np.bool_]:
    differs = np.asarray(expected.values.astype(str) != got.values.astype(str))
    if expected.probabilities is not None and expected.probabilities.shape[1] > 1:
        best_two = np.sort(expected.probabilities, axis=1)[:, -2:]
        differs &= (best_two[:, 1] - best_two[:, 0]) > 2 * TOLERANCE
    return differs

"""Metrics of labels, probabilities and numbers as functions of sums over rows.

Names and meanings are those of scikit-learn; a share of nothing is 0. `calibration_error` is the expected calibration
error on ten equally wide bins of the score (Naeini, Cooper and Hauskrecht, 2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viridian.api.metric_names import CALIBRATION_ERROR
from viridian.training.paired_bootstrap import Summed, Sums

CALIBRATION_BINS: Final = 10
_LEAST_PROBABILITY: Final = 2.0**-52
"""Scores of exactly 0 and 1 count as this far from them in the logarithmic loss, as in scikit-learn."""

Metric = Callable[[Sums], NDArray[np.float64]]


def of_two_classes(positive: NDArray[np.bool_], says: NDArray[np.bool_], score: NDArray[np.float64] | None) -> Summed:
    """Accuracy, F1, precision, recall and the false positive rate; with scores also Brier, log loss and calibration."""
    columns = [np.ones(len(positive)), positive & says, ~positive & says, positive & ~says]
    metrics: dict[str, Metric] = {
        "accuracy": lambda s: _share(s[:, 0] - s[:, 2] - s[:, 3], s[:, 0]),
        "f1": lambda s: _share(2 * s[:, 1], 2 * s[:, 1] + s[:, 2] + s[:, 3]),
        "precision": lambda s: _share(s[:, 1], s[:, 1] + s[:, 2]),
        "recall": lambda s: _share(s[:, 1], s[:, 1] + s[:, 3]),
        "fpr": lambda s: _share(s[:, 2], s[:, 0] - s[:, 1] - s[:, 3]),
    }
    if score is not None:
        own = np.clip(np.where(positive, score, 1 - score), _LEAST_PROBABILITY, 1)
        columns += [(score - positive) ** 2, -np.log(own)]
        columns += _calibration(score - positive, score)
        metrics |= {
            "brier": lambda s: _share(s[:, 4], s[:, 0]),
            "log_loss": lambda s: _share(s[:, 5], s[:, 0]),
            CALIBRATION_ERROR: lambda s: _share(np.abs(s[:, 6 : 6 + CALIBRATION_BINS]).sum(axis=1), s[:, 0]),
        }
    return Summed(np.column_stack(columns).astype(np.float64), metrics)


def of_many_classes(labels: NDArray[np.int64], predicted: NDArray[np.int64], scores: Any, classes: int) -> Summed:
    """Accuracy and macro F1; with scores also the log loss. Labels and predictions are numbers of classes."""
    hits = [(labels == one) & (predicted == one) for one in range(classes)]
    missed = [(labels == one) ^ (predicted == one) for one in range(classes)]
    columns: Sequence[NDArray[Any]] = [np.ones(len(labels)), labels == predicted, *hits, *missed]
    metrics: dict[str, Metric] = {
        "accuracy": lambda s: _share(s[:, 1], s[:, 0]),
        "f1": partial(_macro_f1, classes=classes),
    }
    if scores is not None:
        own = scores[np.arange(len(labels)), labels]
        columns = [*columns, -np.log(np.clip(own, _LEAST_PROBABILITY, 1))]
        metrics["log_loss"] = lambda s: _share(s[:, 2 + 2 * classes], s[:, 0])
    return Summed(np.column_stack(columns).astype(np.float64), metrics)


def of_numbers(target: NDArray[np.float64], predicted: NDArray[np.float64]) -> Summed:
    """Root of the mean square error, mean absolute error, and R2."""
    error, centred = predicted - target, target - target.mean()
    columns = np.column_stack([np.ones(len(target)), error**2, np.abs(error), centred, centred**2])
    return Summed(
        columns,
        {
            "rmse": lambda s: np.sqrt(s[:, 1] / s[:, 0]),
            "mae": lambda s: s[:, 2] / s[:, 0],
            "r2": lambda s: 1 - _share(s[:, 1], s[:, 4] - s[:, 3] ** 2 / s[:, 0]),
        },
    )


def _calibration(gap: NDArray[np.float64], score: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """By bin: what its scores are too high in sum."""
    bins = np.clip((score * CALIBRATION_BINS).astype(np.int64), 0, CALIBRATION_BINS - 1)
    return [np.where(bins == one, gap, 0.0) for one in range(CALIBRATION_BINS)]


def _macro_f1(sums: Sums, classes: int) -> NDArray[np.float64]:
    hits, missed = sums[:, 2 : 2 + classes], sums[:, 2 + classes : 2 + 2 * classes]
    return np.asarray(_share(2 * hits, 2 * hits + missed).mean(axis=1))


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)

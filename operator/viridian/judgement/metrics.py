"""Performance metrics with their standard errors, from sums over joined rows.

Shares have the error of a binomial, sums of rows that of their mean, ratios by the delta method. The area under the
curve has that of DeLong, DeLong and Clarke-Pearson (1988), with scores of one bin as ties; so have the errors of Brier
score and log loss, which take the middle of a score's bin for the score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from viridian.api.performance import SCORE_BINS, Classified, PerformanceMetric, Regressed, score_in
from viridian.api.profile import Task

LOWER_IS_BETTER: Final = (
    PerformanceMetric.LOG_LOSS,
    PerformanceMetric.BRIER,
    PerformanceMetric.MAE,
    PerformanceMetric.RMSE,
)
MIN_ROWS_PER_CLASS: Final = 20
"""Rows of each kind without which a metric is chance: positives and negatives of an area, predicted positives of
precision, actual ones of recall."""
OF_NUMBERS: Final = (PerformanceMetric.MAE, PerformanceMetric.RMSE, PerformanceMetric.BIAS, PerformanceMetric.R2)
"""Metrics of regression; all others are of classification."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric, its standard error, and the rows it rests on."""

    value: float
    error: float
    rows: float
    rarer: float | None = None
    """Of the rarer of two kinds of rows that it compares."""

    @property
    def reliable(self) -> bool:
        """Whether its error can be believed: a handful of rows may agree by chance."""
        return min(self.rows, self.rows if self.rarer is None else self.rarer) >= MIN_ROWS_PER_CLASS


def default_metric(task: Task) -> PerformanceMetric:
    """The metric that a model is known by where nobody names one."""
    return {
        Task.BINARY: PerformanceMetric.AUC,
        Task.MULTICLASS: PerformanceMetric.ACCURACY,
        Task.REGRESSION: PerformanceMetric.MAE,
    }[task]


def measure(metric: PerformanceMetric, joined: Classified | Regressed | None) -> Measured | None:
    """The metric of these rows; None where they cannot tell it: no rows, another task, one class only."""
    if isinstance(joined, Regressed):
        return _of_errors(metric, joined)
    if isinstance(joined, Classified):
        scored = _of_scores(metric, joined)
        return scored if metric in _SCORED else _of_labels(metric, joined.confusion, len(joined.classes) == 2)
    return None


def mean_outcome(joined: Classified | Regressed | None) -> Measured | None:
    """The mean of the outcomes, of two classes the share of the second one; None of no rows, and of more classes."""
    if isinstance(joined, Regressed) and joined.rows > 0:
        mean = joined.outcome / joined.rows
        return Measured(mean, _error_of_mean(mean, joined.squared_outcome / joined.rows, joined.rows), joined.rows)
    if isinstance(joined, Classified) and len(joined.classes) == 2:
        rows = sum(map(sum, joined.confusion))
        return _share(sum(joined.confusion[1]), rows) if rows > 0 else None
    return None


# ---- labels

Table = Sequence[Sequence[float]]
"""Rows are actual, columns predicted; of two classes the second is the positive one."""


def _of_labels(metric: PerformanceMetric, confusion: Table, binary: bool) -> Measured | None:
    rows = sum(map(sum, confusion))
    if rows <= 0:
        return None
    if metric is PerformanceMetric.ACCURACY:
        return _share(sum(row[index] for index, row in enumerate(confusion)), rows)
    if metric not in (PerformanceMetric.PRECISION, PerformanceMetric.RECALL, PerformanceMetric.F1):
        return None
    actual, predicted = [sum(row) for row in confusion], [sum(column) for column in zip(*confusion, strict=True)]
    classes = [1] if binary else [index for index, ours in enumerate(actual) if ours + predicted[index] > 0]
    found = [_of_class(metric, confusion[one][one], actual[one], predicted[one]) for one in classes]
    if binary:
        return found[0] if found[0].rows else None
    error = math.sqrt(sum(one.error**2 for one in found)) / len(found)
    return Measured(sum(one.value for one in found) / len(found), error, rows)


def _of_class(metric: PerformanceMetric, hits: float, actual: float, predicted: float) -> Measured:
    """Precision, recall or F1 of one class; 0 where it never occurs, as scikit-learn has it."""
    if metric is PerformanceMetric.PRECISION:
        return _share(hits, predicted)
    if metric is PerformanceMetric.RECALL:
        return _share(hits, actual)
    # F1 = 2t/(1 + t) with t the share of hits among the rows that are, or are predicted to be, of the class.
    hit = _share(hits, actual + predicted - hits)
    return Measured(2 * hit.value / (1 + hit.value), 2 * hit.error / (1 + hit.value) ** 2, hit.rows)


def _share(part: float, whole: float) -> Measured:
    if whole <= 0:
        return Measured(0.0, 0.0, 0.0)
    share = min(1.0, part / whole)
    # One row more of either kind (Agresti and Caffo, 2000): where all agree, the next one still may not.
    careful = (share * whole + 1) / (whole + 2)
    return Measured(share, math.sqrt(careful * (1 - careful) / (whole + 2)), whole)


# ---- scores

_SCORED: Final = (PerformanceMetric.AUC, PerformanceMetric.LOG_LOSS, PerformanceMetric.BRIER)
_MIDDLES: Final = (0.0, *map(score_in, range(1, SCORE_BINS - 1)), 1.0)
"""Of the outer bins the ends, since scores of exactly 0 and 1 lose most."""
_MIN_PROBABILITY: Final = 2.0**-52
"""Scores of exactly 0 and 1 count as this far from them in the logarithmic loss, as in scikit-learn."""


def _of_scores(metric: PerformanceMetric, joined: Classified) -> Measured | None:
    positives, negatives = joined.score_positives, joined.score_negatives
    rows = sum(positives) + sum(negatives)
    if rows <= 0 or not len(positives) == len(negatives) == SCORE_BINS:
        return None
    if metric is PerformanceMetric.AUC:
        return area(positives, negatives)
    if metric is PerformanceMetric.BRIER:
        return Measured(joined.squared_error / rows, _loss(_MIDDLES, positives, negatives, _squared).error, rows)
    if metric is PerformanceMetric.LOG_LOSS:
        return Measured(joined.log_loss / rows, _loss(_MIDDLES, positives, negatives, _logarithmic).error, rows)
    return None


def estimated(
    metric: PerformanceMetric,
    scores: Sequence[float],
    positives: Sequence[float],
    negatives: Sequence[float],
    confusion: Table,
) -> Measured | None:
    """The metric of rows of which only the expected counts by score are known; the lowest score first."""
    if metric is PerformanceMetric.AUC:
        return area(positives, negatives)
    if metric in (PerformanceMetric.BRIER, PerformanceMetric.LOG_LOSS):
        return _loss(scores, positives, negatives, _squared if metric is PerformanceMetric.BRIER else _logarithmic)
    return _of_labels(metric, confusion, binary=True)


def area(positives: Sequence[float], negatives: Sequence[float]) -> Measured | None:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""
    p, n = sum(positives), sum(negatives)
    if p <= 0 or n <= 0:
        return None
    below_n = [all_ - own / 2 for all_, own in zip(accumulate(negatives), negatives, strict=True)]
    below_p = [all_ - own / 2 for all_, own in zip(accumulate(positives), positives, strict=True)]
    value = sum(count * below for count, below in zip(positives, below_n, strict=True)) / (p * n)
    of_positives = sum(c * (below / n - value) ** 2 for c, below in zip(positives, below_n, strict=True)) / p
    of_negatives = sum(c * (1 - below / p - value) ** 2 for c, below in zip(negatives, below_p, strict=True)) / n
    error = math.sqrt(of_positives / max(1.0, p - 1) + of_negatives / max(1.0, n - 1))
    return Measured(value, error, p + n, rarer=min(p, n))


def _squared(chance: float) -> float:
    return (1 - chance) ** 2


def _logarithmic(chance: float) -> float:
    return -math.log(max(chance, _MIN_PROBABILITY))


def _loss(
    scores: Sequence[float],
    positives: Sequence[float],
    negatives: Sequence[float],
    loss: Callable[[float], float],
) -> Measured:
    """Mean of what each row loses by the chance that it gave to what came true."""
    losses = [(count, loss(score)) for score, count in zip(scores, positives, strict=True)]
    losses += [(count, loss(1 - score)) for score, count in zip(scores, negatives, strict=True)]
    rows = sum(count for count, _ in losses)
    mean = sum(count * lost for count, lost in losses) / rows
    variance = sum(count * (lost - mean) ** 2 for count, lost in losses) / rows
    return Measured(mean, math.sqrt(variance / rows), rows)


# ---- numbers


def _of_errors(metric: PerformanceMetric, joined: Regressed) -> Measured | None:
    rows = joined.rows
    if rows <= 0:
        return None
    mean_square = joined.squared_error / rows
    error_of_square = _error_of_mean(mean_square, joined.fourth_power_error / rows, rows)
    if metric is PerformanceMetric.MAE:
        mean = joined.absolute_error / rows
        return Measured(mean, _error_of_mean(mean, mean_square, rows), rows)
    if metric is PerformanceMetric.BIAS:
        mean = joined.error / rows
        return Measured(mean, _error_of_mean(mean, mean_square, rows), rows)
    if metric is PerformanceMetric.RMSE:
        root = math.sqrt(mean_square)
        return Measured(root, error_of_square / (2 * root) if root > 0 else 0.0, rows)
    mean = joined.outcome / rows
    variance = joined.squared_outcome / rows - mean * mean
    if metric is not PerformanceMetric.R2 or variance <= 0:
        return None
    # The outcomes' variance has an error of its own, here that of normal ones which are independent of the errors.
    unexplained = mean_square / variance
    return Measured(1 - unexplained, math.hypot(error_of_square / variance, unexplained * math.sqrt(2 / rows)), rows)


def _error_of_mean(mean: float, mean_of_squares: float, rows: int) -> float:
    return math.sqrt(max(0.0, mean_of_squares - mean * mean) / rows)

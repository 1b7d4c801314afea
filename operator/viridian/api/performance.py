"""How predictions and their outcomes went together, as sums that merge by adding; no row can be read from them."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

import msgspec

SCORE_BINS: Final = 279
"""Bins for scores, of equal width in log-odds: scores of rare events, which all lie next to 0, are distinguished as
well as those around one half. `score_bin` says which."""
SCORE_BINS_PER_LOG_ODD: Final = 10
LEAST_SCORE: Final = 1e-6
"""Scores nearer to 0 or 1 share the first bin and the last one."""
MIDDLE_SCORE_BIN: Final = SCORE_BINS // 2
"""The middle of this bin is a score of one half."""
MAX_CLASSES: Final = 100


def score_bin(score: float) -> int:
    """The bin of a score."""
    if score < LEAST_SCORE:
        return 0
    if score > 1 - LEAST_SCORE:
        return SCORE_BINS - 1
    return int(SCORE_BINS_PER_LOG_ODD * math.log(score / (1 - score)) + MIDDLE_SCORE_BIN + 0.5)


def score_in(bin_: int) -> float:
    """The score in the middle of a bin."""
    return 1 / (1 + math.exp((MIDDLE_SCORE_BIN - bin_) / SCORE_BINS_PER_LOG_ODD))


class PerformanceMetric(StrEnum):
    """Names of performance metrics, as users write them in a spec and trainers log them."""

    ACCURACY = "accuracy"
    PRECISION = "precision"
    """Binary: of the positive class. Multiclass: the mean over classes."""
    RECALL = "recall"
    F1 = "f1"
    AUC = "auc"
    LOG_LOSS = "log-loss"
    BRIER = "brier"
    MAE = "mae"
    RMSE = "rmse"
    BIAS = "bias"
    """Mean of prediction minus outcome."""
    R2 = "r2"


class Classified(msgspec.Struct, frozen=True, kw_only=True, tag="classified", tag_field="kind"):
    """Predicted labels against actual ones, both in the order of `classes`."""

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows are actual, columns predicted."""
    score_positives: tuple[int, ...] = ()
    """Binary only: rows whose outcome was positive, by SCORE_BINS of the score."""
    score_negatives: tuple[int, ...] = ()
    log_loss: float = 0.0
    """Sums over the rows that carry a score."""
    squared_error: float = 0.0


class Regressed(msgspec.Struct, frozen=True, kw_only=True, tag="regressed", tag_field="kind"):
    """Sums over the rows, with the error as prediction minus outcome."""

    rows: int
    error: float
    absolute_error: float
    squared_error: float
    fourth_power_error: float
    """For the standard error of the mean squared error."""
    outcome: float
    squared_outcome: float


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """The joined rows of some predictions, and how many of them could be joined."""

    predicted: int
    """Predictions in the window, with an outcome or without."""
    labelled: int
    """Those whose outcome is known."""
    joined: Classified | Regressed | None = None
    """None while nothing is labelled."""

"""How predictions and their outcomes went together, as sums that merge by adding; no row can be read from them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

SCORE_BINS: Final = 100
"""Equal bins of [0, 1] for scores; a score of 1 is in the last one."""
MAX_CLASSES: Final = 100


class Metric(StrEnum):
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

"""Names of metrics that mean something by themselves."""

from __future__ import annotations

from typing import Final

CHAMPION_PREFIX: Final = "champion."
"""Prefix of the numbers of the champion on the candidate's own holdout: `champion.auc` beside `auc`."""
CALIBRATION_ERROR: Final = "calibration_error"
LATENCY_P95: Final = "latency_p95"
"""Seconds of one prediction, 95th percentile."""
SIZE_BYTES: Final = "size_bytes"
"""Bytes of a model version's files."""

ERRORS: Final = (
    *("rmse", "mae", "mape", "mse", "loss", "brier", "error", "fpr", "fnr"),
    *("false_positive_rate", "false_negative_rate", LATENCY_P95, SIZE_BYTES),
)
"""Endings of the names of metrics of which less is better."""


def lower_is_better(name: str) -> bool:
    """Whether less is better, as the name ends."""
    return name.lower().endswith(ERRORS)

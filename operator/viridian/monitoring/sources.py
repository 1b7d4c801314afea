"""What each kind of monitor is about: the condition that shows its verdict, and the reason where it has fired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from viridian.api import reasons
from viridian.api.monitoring import (
    ConceptDrift,
    Decay,
    Drift,
    EstimatedPerformance,
    PerformanceMonitor,
    PredictionDrift,
    Source,
)

_ABOUT: Final[Mapping[type, tuple[str, str]]] = {
    Drift: (reasons.DATA_DRIFT, reasons.FEATURE_SHIFT),
    PredictionDrift: (reasons.PREDICTION_DRIFT, reasons.PREDICTION_SHIFT),
    ConceptDrift: (reasons.CONCEPT_DRIFT, reasons.MORE_ERRORS),
    Decay: (reasons.DECAY, reasons.DECLINING),
    PerformanceMonitor: (reasons.DECAY, reasons.BEYOND_LIMIT),
    EstimatedPerformance: (reasons.DECAY, reasons.ESTIMATED_BEYOND_LIMIT),
}
CONDITIONS: Final = tuple(dict.fromkeys(condition for condition, _ in _ABOUT.values()))
"""In the order in which a status has them."""


def condition_of(source: Source) -> str:
    return _ABOUT[type(source)][0]


def reason_of(source: Source) -> str:
    """The reason of a condition that a monitor of this kind has made true."""
    return _ABOUT[type(source)][1]

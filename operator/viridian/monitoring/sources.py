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

CONDITIONS: Final[Mapping[type, str]] = {
    Drift: reasons.DATA_DRIFT,
    PredictionDrift: reasons.PREDICTION_DRIFT,
    ConceptDrift: reasons.CONCEPT_DRIFT,
    Decay: reasons.DECAY,
    PerformanceMonitor: reasons.DECAY,
    EstimatedPerformance: reasons.DECAY,
}
_REASONS: Final[Mapping[type, str]] = {
    Drift: reasons.FEATURE_SHIFT,
    PredictionDrift: reasons.PREDICTION_SHIFT,
    ConceptDrift: reasons.MORE_ERRORS,
    Decay: reasons.DECLINING,
    PerformanceMonitor: reasons.BEYOND_LIMIT,
    EstimatedPerformance: reasons.ESTIMATED_BEYOND_LIMIT,
}


def reason_of(source: Source) -> str:
    """The reason of a condition that a monitor of this kind has made true."""
    return _REASONS[type(source)]

"""Whether the revision that is judged has breached a bound, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from viridian.api.modeldeployment import OnBreach
from viridian.judgement.canary import CanaryVerdict, Judgement
from viridian.rollout.analysis.selection import SOURCES
from viridian.rollout.input import RolloutInput
from viridian.rollout.state import RolloutState


def breached(state: RolloutState) -> Judgement | None:
    """A breach of the judged revision alone; None where it has none, or none that the champion has not as well."""
    return next((judgement for judgement in _breaches(state) if not judgement.champion_too), None)


def shared_breaches(state: RolloutState) -> Sequence[Judgement]:
    """Breaches that the champion has as well."""
    return [judgement for judgement in _breaches(state) if judgement.champion_too]


def _breaches(state: RolloutState) -> Sequence[Judgement]:
    return [judgement for judgement in state.judgements if judgement.verdict is CanaryVerdict.BREACH]


def would_revert(inputs: RolloutInput, now: datetime) -> bool:
    """Whether the answers are bad enough that a pass would take the traffic back, as far as the input knows."""
    if inputs.spec is None or inputs.spec.rollout.analysis.on_breach is not OnBreach.ROLLBACK:
        return False
    return breached(RolloutState(inputs, inputs.spec, now, None, inputs.traffic)) is not None


def breach_began(state: RolloutState) -> datetime | None:
    """When the first sample of a breach was seen; None where no metric was breached."""
    worst, look = breached(state), state.look
    if worst is None or look is None:
        return None
    metric = next((metric for metric in look.analysis.metrics if metric.name == worst.name), None)
    began = SOURCES.breach_began(metric, look) if metric is not None else None
    return began or state.now

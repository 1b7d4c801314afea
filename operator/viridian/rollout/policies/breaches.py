"""Whether the revision that is judged has breached a bound, and since when."""

from __future__ import annotations

from datetime import datetime

from viridian.judgement.canary import CanaryVerdict, Judgement
from viridian.rollout.analysis.selection import source_of
from viridian.rollout.state import RolloutState


def breached(state: RolloutState) -> Judgement | None:
    return next((judgement for judgement in state.judgements if judgement.verdict is CanaryVerdict.BREACH), None)


def breach_began(state: RolloutState) -> datetime | None:
    """When the first sample of a breach was seen; None where no metric was breached."""
    worst, look = breached(state), state.look
    if worst is None or look is None:
        return None
    metric = next((metric for metric in look.analysis.metrics if metric.name == worst.name), None)
    began = source_of(state.inputs).breach_began(metric, look) if metric is not None else None
    return began or state.now

"""Whether the revision that is judged has breached a bound, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from viridian.api.modeldeployment import OnBreach
from viridian.api.samples import PodSample
from viridian.judgement.canary import CanaryVerdict, Judgement
from viridian.rollout.analysis.judging import judgements
from viridian.rollout.analysis.selection import SOURCES
from viridian.rollout.analysis.source import Look
from viridian.rollout.input import RolloutInput
from viridian.rollout.state import RolloutState

_READINGS_LOOKED_BACK: Final = 5
"""For the deciding answer: each costs a judgement, and nothing may keep the way back waiting."""


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


def decided_at(state: RolloutState) -> datetime | None:
    """When the deciding answer was seen: at the first of the latest readings that all show the breach.

    None where no metric was breached.
    """
    worst, look = breached(state), state.look
    if worst is None or look is None:
        return None
    decided = state.now
    for at in _newest_readings(look):
        earlier = judgements(SOURCES, replace(look, now=at))
        if not any(one.name == worst.name and one.verdict is CanaryVerdict.BREACH for one in earlier):
            break
        decided = at
    return decided


def _newest_readings(look: Look) -> Sequence[datetime]:
    """When the judged pods were read, newest first."""
    results = (result for pod in look.subject.pods for result in look.results.get(pod.uid, ())[-_READINGS_LOOKED_BACK:])
    times = {result.at for result in results if isinstance(result, PodSample) and result.at <= look.now}
    return sorted(times, reverse=True)[:_READINGS_LOOKED_BACK]

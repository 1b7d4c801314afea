"""The new champion on probation: judged for a while, with its fallback at full size to go back to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from viridian.api import reasons
from viridian.api.modeldeployment import OnBreach
from viridian.rollout.analysis.judged import probation_end
from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.policies.availability import crash_loop, unserved, unserved_since
from viridian.rollout.policies.breaches import breach_began, breached, decided_at
from viridian.rollout.policies.chain import Chain, first
from viridian.rollout.policies.champion import rests
from viridian.rollout.policies.commands import skip_command
from viridian.rollout.policies.ways_back import rollback
from viridian.rollout.skip_order import PROBATION_STEP
from viridian.rollout.state import RolloutState


def is_on_probation(state: RolloutState) -> RolloutDecision | None:
    """A newer version would take the fallback's slot, so it waits. The fallback itself may come back at once."""
    if state.fallback is None or not state.in_probation:
        return None
    decision = first(PROBATION, state)
    if decision is None or decision.change is not None:
        return decision
    return replace(decision, judgements=state.judgements)


def crashes(state: RolloutState) -> RolloutDecision | None:
    message = crash_loop(state, state.serving.champion, state.serving.revision, state.serving.exposure)
    return _back(state, reasons.METRIC_BREACH, message) if message else None


def breaches_a_bound(state: RolloutState) -> RolloutDecision | None:
    worst = breached(state)
    if worst is None or state.spec.rollout.analysis.on_breach is not OnBreach.ROLLBACK:
        return None
    return _back(state, reasons.METRIC_BREACH, worst.message, breach_began(state), decided_at(state))


def serves_nobody(state: RolloutState) -> RolloutDecision | None:
    champion = state.serving.champion
    message, since = unserved(state, champion), unserved_since(state, champion)
    return _back(state, reasons.CHAMPION_UNAVAILABLE, message, since) if message else None


def lets_a_newer_version_wait(state: RolloutState) -> RolloutDecision | None:
    traffic, newer = state.serving, state.challenger
    if newer is None:
        return rests(state)
    if newer == state.fallback or skip_command(state, newer, PROBATION_STEP) is not None:
        return None
    wait = Wait(WaitKind.PROBATION_END, traffic.revision, newer, until=probation_end(state.spec, traffic))
    return RolloutDecision.hold(traffic, wait)


PROBATION: Final[Chain] = (
    crashes,
    breaches_a_bound,
    serves_nobody,
    lets_a_newer_version_wait,  # without an answer for the fallback, and for a version that a person lets through
)


def _back(
    state: RolloutState, reason: str, message: str, began: datetime | None = None, decided: datetime | None = None
) -> RolloutDecision:
    wait = Wait(WaitKind.FALLBACK_FOR_BREACH, state.fallback or "", detail=message)
    return rollback(state, reason, message, wait, began=began, decided=decided)

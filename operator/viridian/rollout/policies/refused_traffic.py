"""While the API server does not take the live Service, no traffic is moved: what is done instead.

A revert that cannot be written is tried again with every look. Where users meet champion and challenger by the number
of ready pods, the challenger's pods are taken away instead: its Deployment is emptied, and in the same write it is
noted why. The champion must be serving, or users would be left without an answer. Where all of the traffic is the
challenger's, by weight 100 or after its promotion, nothing but the Service can give it back.
"""

from __future__ import annotations

from dataclasses import replace

from viridian.api import reasons
from viridian.core.obstacles import Obstacle
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.state import RolloutState, first_slot
from viridian.rollout.traffic import record as records
from viridian.rollout.traffic.record import Reverted, Traffic


def instead_of_refused(state: RolloutState, decision: RolloutDecision) -> RolloutDecision | None:
    """What to do in place of a move whose Service is not taken; None where nothing hinders it."""
    if _obstacle(state) is None or decision.traffic is None or decision.traffic == state.traffic:
        return None
    if state.traffic is None:
        return _unborn(state, decision, decision.traffic)
    lost = _can_be_emptied(state, state.traffic, decision.traffic)
    if lost is not None:
        told = decision.events if state.emptied is None else ()
        challenger = lost.revision
        return replace(decision, traffic=state.traffic, challenger=challenger, close=None, events=told, starved=lost)
    trial = state.traffic.trial
    return replace(
        decision,
        traffic=state.traffic,
        waiting_for=_waiting(state, decision),
        challenger=trial.revision if trial is not None else decision.challenger,
        close=None,
        events=(),
    )


def since_first_seen(state: RolloutState, decision: RolloutDecision) -> RolloutDecision:
    """The move, with the beginning of the breach as it was when the Service was refused before: windows forget."""
    obstacle, traffic = _obstacle(state), decision.traffic
    lost = traffic.reverted if traffic is not None else None
    if obstacle is None or obstacle.wanted is None or traffic is None or lost is None:
        return decision
    before = records.parse(obstacle.wanted)
    known = before.reverted if before is not None else None
    if known is None or known.revision != lost.revision or not known.breach_at:
        return decision
    earlier = min(known.breach_at, lost.breach_at or known.breach_at)
    return replace(decision, traffic=replace(traffic, reverted=replace(lost, breach_at=earlier)))


def _obstacle(state: RolloutState) -> Obstacle | None:
    return state.inputs.obstacles.get(("Service", state.inputs.name))


def _unborn(state: RolloutState, decision: RolloutDecision, wanted: Traffic) -> RolloutDecision:
    """There is no live Service yet, or none any more: what is deployed stays."""
    challenger = wanted.revision if wanted.champion is first_slot(state) else None
    return RolloutDecision(None, reasons.FIRST_DEPLOYMENT, _waiting(state, decision), challenger)


def _can_be_emptied(state: RolloutState, actual: Traffic, wanted: Traffic) -> Reverted | None:
    """Why the challenger is to lose its pods, where that gives all users to a champion that serves."""
    trial, lost, champion = actual.trial, wanted.reverted, state.slot(actual.champion)
    if trial is None or lost is None or wanted.trial is not None or lost.revision != trial.revision:
        return None
    shared = actual.champion in actual.receiving and actual.champion.other in actual.receiving
    return lost if shared and champion is not None and champion.serves else None


def _waiting(state: RolloutState, decision: RolloutDecision) -> str:
    then = f"; then {decision.waiting_for}" if decision.waiting_for else ""
    return f"the Service {state.inputs.name} to be written{then}"

"""While the API server does not take the object that splits the traffic, no traffic is moved: what is done instead.

A revert that cannot be written is tried again with every look. Where a slot without ready pods gets no requests, the
challenger's pods are taken away instead: its Deployment is emptied, and in the same write it is noted why. The champion
must be serving, or users would be left without an answer. Where all of the traffic is the challenger's, by weight 100
or after its promotion, nothing but that object can give it back.
"""

from __future__ import annotations

from dataclasses import replace

from viridian.api import reasons
from viridian.core.obstacles import Obstacle
from viridian.rollout.decision import RolloutDecision, Wait, WaitKind
from viridian.rollout.restored import first_slot
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.record import Reverted, Traffic


def instead_of_refused(state: RolloutState, decision: RolloutDecision) -> RolloutDecision | None:
    """What to do in place of a decision whose traffic cannot be written; None where nothing is in the way."""
    if _obstacle(state) is None or decision.traffic is None or decision.traffic == state.recorded:
        return None
    waiting = _waiting(state, decision)
    if state.recorded is None:
        # Nobody serves yet, or the object is gone: what is deployed stays.
        stays = decision.traffic.champion is first_slot(state.inputs.slots)
        challenger = decision.traffic.revision if stays else None
        return RolloutDecision(None, reasons.FIRST_DEPLOYMENT, waiting, challenger=challenger)
    lost = _can_be_emptied(state, state.recorded, decision.traffic)
    if lost is not None:
        return replace(decision, traffic=state.recorded, challenger=lost.revision, close=None, emptied=lost)
    trial = state.recorded.trial
    return replace(
        decision,
        traffic=state.recorded,
        wait=waiting,
        change=None,
        challenger=trial.revision if trial is not None else decision.challenger,
        close=None,
    )


def since_first_seen(state: RolloutState, decision: RolloutDecision) -> RolloutDecision:
    """The decision, with the beginning of the breach as it was when it was refused before: windows forget."""
    obstacle, traffic = _obstacle(state), decision.traffic
    lost = traffic.reverted if traffic is not None else None
    if obstacle is None or obstacle.wanted is None or traffic is None or lost is None:
        return decision
    inputs = state.inputs
    before = inputs.provider.read(inputs.name, {inputs.decisive: obstacle.wanted})
    known = before.reverted if before is not None else None
    if known is None or known.revision != lost.revision or known.breach_at is None:
        return decision
    earlier = min(known.breach_at, lost.breach_at or known.breach_at)
    return replace(decision, traffic=replace(traffic, reverted=replace(lost, breach_at=earlier)))


def _obstacle(state: RolloutState) -> Obstacle | None:
    return state.inputs.obstacles.get(state.inputs.decisive)


def _can_be_emptied(state: RolloutState, actual: Traffic, desired: Traffic) -> Reverted | None:
    """Why the challenger is to lose its pods, where that gives all users to a champion that serves."""
    trial, lost, champion = actual.trial, desired.reverted, state.slot(actual.champion)
    if trial is None or lost is None or desired.trial is not None or lost.revision != trial.revision:
        return None
    shared = actual.champion in actual.receiving and actual.champion.other in actual.receiving
    if not shared or not state.inputs.provider.follows_ready_pods:
        return None
    return lost if champion is not None and champion.serves else None


def _waiting(state: RolloutState, decision: RolloutDecision) -> Wait:
    kind, name = state.inputs.decisive
    return Wait(WaitKind.TRAFFIC_WRITTEN, detail=f"{kind} {name}", then=decision.wait or decision.change)

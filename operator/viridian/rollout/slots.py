"""What the two slots are to hold next to a given traffic: which revision, and how many pods of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from viridian.api.names import Slot
from viridian.rollout.analysis.judged import full_fallback_end
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.policies.trial_steps import pods_needed
from viridian.rollout.restored import first_slot
from viridian.rollout.state import RolloutState, fallback_revision, rollback_target
from viridian.rollout.traffic.record import Reverted, Traffic
from viridian.rollout.way_back_times import DRAIN


@dataclass(frozen=True, slots=True)
class DesiredSlot:
    """A revision in a slot."""

    revision: str
    replicas: int
    # Why it has no pods although its weight says otherwise.
    reverted: Reverted | None = None


DesiredSlots = Mapping[Slot, DesiredSlot | None]
"""None for a slot that is to be empty. One that is not in it stays as it is."""


def desired_slots(state: RolloutState, decision: RolloutDecision) -> DesiredSlots:
    """The slots as they ought to be once the decision has been carried out.

    A slot that lost the traffic keeps its pods until a gateway has taken over the split without it.
    """
    slots, traffic = _wanted_slots(state, decision), decision.traffic
    if traffic is None or not _may_differ(state, traffic):
        return slots
    other = traffic.champion.other
    present, wanted = state.slot(other), slots.get(other)
    if present is None or wanted is None or other not in slots:
        grows = present is None
    else:
        grows = wanted.revision == present.revision and wanted.replicas >= present.replicas
    return slots if grows else {slot: one for slot, one in slots.items() if slot is not other}


def _may_differ(state: RolloutState, traffic: Traffic) -> bool:
    """Whether users may be served by another split than this one."""
    if not state.inputs.provider.confirms:
        return False
    before = state.inputs.traffic
    return state.unsettled is not None or (before is not None and before.receiving != traffic.receiving)


def _wanted_slots(state: RolloutState, decision: RolloutDecision) -> DesiredSlots:
    replicas, traffic, challenger = state.spec.server.replicas, decision.traffic, decision.challenger
    if traffic is None:
        return {first_slot(state.inputs.slots): DesiredSlot(challenger, replicas)} if challenger else {}
    if challenger is None:
        return {traffic.champion: DesiredSlot(traffic.revision, replicas), **_fallback_slot(state, traffic)}
    pods = pods_needed(state, traffic.trial)
    beside = 0 if decision.emptied else pods.challenger
    return {
        traffic.champion: DesiredSlot(traffic.revision, max(replicas, pods.champion) if replicas else 0),
        traffic.champion.other: DesiredSlot(challenger, beside, decision.emptied),
    }


def _fallback_slot(state: RolloutState, traffic: Traffic) -> DesiredSlots:
    """The fallback, at full size while it may be needed at once; before that, time for what still answers there.

    It is removed where there is none: the champion never had a predecessor, or all of them were rejected.
    """
    slot = traffic.champion.other
    fallback, present = fallback_revision(state, traffic), state.slot(slot)
    if present is not None and present.revision != fallback and draining(state, traffic):
        return {}
    if fallback is None:
        return {slot: None}
    end, drained = full_fallback_end(state.spec, traffic), drill_drain_end(traffic)
    rehearsed = traffic.drill is not None or (drained is not None and state.now < drained)
    full = rehearsed or (end is not None and state.now < end) or fallback == rollback_target(state, traffic)
    warm = state.spec.fallback.replicas
    return {slot: DesiredSlot(fallback, max(warm, state.spec.server.replicas) if full else warm)}


def draining(state: RolloutState, traffic: Traffic) -> bool:
    """Whether the slot that lost the traffic may still be answering."""
    end = drain_end(traffic)
    return end is not None and state.now < end


def drain_end(traffic: Traffic) -> datetime | None:
    at = traffic.reverted.at if traffic.reverted else None
    return at + DRAIN if at is not None else None


def drill_drain_end(traffic: Traffic) -> datetime | None:
    """Until when the fallback may still be answering after a drill."""
    ended = traffic.drilled.at if traffic.drilled is not None else None
    return ended + DRAIN if ended is not None else None

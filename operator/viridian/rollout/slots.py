"""What the two slots are to hold next to a given traffic: which revision, and how many pods of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from viridian.api.names import Slot
from viridian.core.times import parse_time
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.input import in_probation
from viridian.rollout.policies import rollback, trial
from viridian.rollout.state import RolloutState, fallback_revision, first_slot
from viridian.rollout.traffic.record import Reverted, Traffic


@dataclass(frozen=True, slots=True)
class DesiredSlot:
    """A revision in a slot."""

    revision: str
    replicas: int
    # Why it has no pods although its weight says otherwise.
    reverted: Reverted | None = None


# What becomes of a slot: an occupant, None for empty, KEEP for hands off.
KEEP = DesiredSlot("", -1)
DesiredSlots = Mapping[Slot, DesiredSlot | None]


def desired_slots(state: RolloutState, decision: RolloutDecision) -> DesiredSlots:
    """The slots as they ought to be once the move has been made."""
    replicas = state.spec.server.replicas
    if decision.traffic is None:
        return {first_slot(state): DesiredSlot(decision.challenger, replicas)} if decision.challenger else {}
    traffic = decision.traffic
    if decision.challenger is not None:
        pods = trial.pods_wanted(state, traffic.trial)
        return {
            traffic.champion: DesiredSlot(traffic.revision, max(replicas, pods.champion) if replicas else 0),
            traffic.champion.other: DesiredSlot(decision.challenger, 0, decision.starved)
            if decision.starved
            else DesiredSlot(decision.challenger, pods.challenger),
        }
    return {
        traffic.champion: DesiredSlot(traffic.revision, replicas),
        traffic.champion.other: _other(state, traffic),
    }


def _other(state: RolloutState, traffic: Traffic) -> DesiredSlot | None:
    """The fallback, at full size while it may be needed at once; before that, time for what still answers there."""
    fallback, present = fallback_revision(state, traffic), state.slot(traffic.champion.other)
    if present is not None and present.revision != fallback and draining(state, traffic):
        return KEEP
    if fallback is None:
        return None
    full = in_probation(state.inputs, traffic, state.now)
    warm = state.spec.fallback.replicas
    return DesiredSlot(fallback, max(warm, state.spec.server.replicas) if full else warm)


def draining(state: RolloutState, traffic: Traffic) -> bool:
    """Whether the slot that lost the traffic may still be answering."""
    at = parse_time(traffic.reverted.at) if traffic.reverted else None
    return at is not None and state.now < at + rollback.DRAIN

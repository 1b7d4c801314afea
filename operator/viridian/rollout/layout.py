"""What the two slots are to hold next to a given traffic: which revision, and how many pods of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from viridian.api.names import Slot
from viridian.core.conditions import moment
from viridian.rollout import reverting, trial
from viridian.rollout.move import Move
from viridian.rollout.situation import RolloutState, fallback_revision, first_slot
from viridian.rollout.snapshot import in_probation
from viridian.rollout.traffic import Reverted, Traffic


@dataclass(frozen=True, slots=True)
class Occupant:
    """A revision in a slot."""

    revision: str
    replicas: int
    # Why it has no pods although its weight says otherwise.
    reverted: Reverted | None = None


# What becomes of a slot: an occupant, None for empty, KEEP for hands off.
KEEP = Occupant("", -1)
Layout = Mapping[Slot, Occupant | None]


def layout(situation: RolloutState, move: Move) -> Layout:
    """The slots as they ought to be once the move has been made."""
    replicas = situation.spec.server.replicas
    if move.traffic is None:
        return {first_slot(situation): Occupant(move.candidate, replicas)} if move.candidate else {}
    traffic = move.traffic
    if move.candidate is not None:
        pods = trial.pods_wanted(situation, traffic.trial)
        return {
            traffic.champion: Occupant(traffic.revision, max(replicas, pods.champion) if replicas else 0),
            traffic.champion.other: Occupant(move.candidate, 0, move.starved)
            if move.starved
            else Occupant(move.candidate, pods.challenger),
        }
    return {
        traffic.champion: Occupant(traffic.revision, replicas),
        traffic.champion.other: _other(situation, traffic),
    }


def _other(situation: RolloutState, traffic: Traffic) -> Occupant | None:
    """The fallback, at full size while it may be needed at once; before that, time for what still answers there."""
    fallback, present = fallback_revision(situation, traffic), situation.slot(traffic.champion.other)
    if present is not None and present.revision != fallback and draining(situation, traffic):
        return KEEP
    if fallback is None:
        return None
    full = in_probation(situation.snapshot, traffic, situation.now)
    warm = situation.spec.fallback.replicas
    return Occupant(fallback, max(warm, situation.spec.server.replicas) if full else warm)


def draining(situation: RolloutState, traffic: Traffic) -> bool:
    """Whether the slot that lost the traffic may still be answering."""
    at = moment(traffic.reverted.at) if traffic.reverted else None
    return at is not None and situation.now < at + reverting.DRAIN

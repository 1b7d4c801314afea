"""What the two slots are to hold next to a given traffic: which revision, and how many pods of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from viridian.api.names import Slot
from viridian.rollout.analysis.judged import full_fallback_end
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.pod_bounds import (
    autoscaling_of,
    bounds,
    champion_size,
    may_be_more,
    pods_in,
    scaled_by_others,
)
from viridian.rollout.policies.trial_steps import pods_needed
from viridian.rollout.restored import first_slot
from viridian.rollout.state import RolloutState, fallback_revision, rollback_target
from viridian.rollout.traffic.capacity import PodBounds
from viridian.rollout.traffic.record import Reverted, Traffic
from viridian.rollout.way_back_times import DRAIN


@dataclass(frozen=True, slots=True)
class DesiredSlot:
    """A revision in a slot."""

    revision: str
    replicas: int
    reverted: Reverted | None = None
    """Why it has no pods although its weight says otherwise."""
    range: PodBounds | None = None
    """Between which numbers an autoscaler may move it. What it has chosen is in `replicas`. None: it is exact."""

    @property
    def bounds(self) -> PodBounds:
        return self.range or PodBounds(self.replicas, self.replicas)


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
        slot = first_slot(state.inputs.slots)
        return {slot: _slot(state, slot, challenger, replicas, follows_load=False)} if challenger else {}
    champion, other = traffic.champion, traffic.champion.other
    if challenger is None:
        least, rests = _champion_without_trial(state, traffic), _lends_its_users(traffic)
        return {
            champion: _slot(state, champion, traffic.revision, least, follows_load=not rests),
            **_fallback_slot(state, traffic),
        }
    serving, beside = _pods_on_trial(state, decision, traffic)
    free = may_be_more(state)
    before = traffic.trial is None
    tried = _slot(state, other, challenger, beside, follows_load=free and not before)
    return {
        champion: _slot(state, champion, traffic.revision, serving, follows_load=free or before),
        other: replace(tried, reverted=decision.emptied),
    }


def _pods_on_trial(state: RolloutState, decision: RolloutDecision, traffic: Traffic) -> tuple[int, int]:
    """The least pods of champion and challenger.

    Somebody else's autoscaler finds the pods of its step raised, and has them for itself once users have come.
    """
    replicas, trial = state.spec.server.replicas, traffic.trial
    if replicas == 0 or decision.emptied:
        return replicas, 0
    pods = pods_needed(state, trial)
    if scaled_by_others(state):
        return replicas, 1 if trial is not None and trial.since is not None else pods.challenger
    if trial is None and autoscaling_of(state) is not None:
        return replicas, pods.challenger
    return max(replicas, pods.champion), pods.challenger


def _slot(state: RolloutState, slot: Slot, revision: str, least: int, *, follows_load: bool) -> DesiredSlot:
    limits = bounds(state, least, follows_load=follows_load)
    replicas = limits.nearest(pods_in(state, slot, revision))
    return DesiredSlot(revision, replicas, range=limits if limits.least < limits.most else None)


def _champion_without_trial(state: RolloutState, traffic: Traffic) -> int:
    """The least pods of a champion beside its fallback.

    One that has just got the traffic back has as many as the slot that lost it: the same users come to it. One whose
    users are the fallback's for the time of a drill keeps all that it has.
    """
    replicas = state.spec.server.replicas
    if _lends_its_users(traffic) and not scaled_by_others(state):
        return champion_size(state, traffic, None)
    lost = state.slot(traffic.champion.other) if draining(state, traffic) else None
    if lost is None or autoscaling_of(state) is None:
        return replicas
    return bounds(state, replicas, follows_load=True).nearest(lost.replicas)


def _lends_its_users(traffic: Traffic) -> bool:
    """Whether the fallback serves the champion's users, or is about to, until a drill ends."""
    return traffic.drill is not None and not traffic.drill.is_mirrored


def _fallback_slot(state: RolloutState, traffic: Traffic) -> DesiredSlots:
    """The fallback, at full size while it may be needed at once; before that, time for what still answers there.

    It is removed where there is none: there never was another champion, or all others were rejected.
    """
    slot = traffic.champion.other
    fallback, present = fallback_revision(state, traffic), state.slot(slot)
    if present is not None and present.revision != fallback and draining(state, traffic):
        return {}
    if fallback is None:
        return {slot: None}
    end, drained = full_fallback_end(state.spec, traffic), drill_drain_end(traffic)
    rehearsed = traffic.drill is not None or (drained is not None and state.now < drained)
    judged = end is not None and state.now < end and not scaled_by_others(state)
    full = rehearsed or judged or fallback == rollback_target(state, traffic)
    warm = state.spec.fallback.replicas
    least = max(warm, champion_size(state, traffic, None)) if full else warm
    return {slot: _slot(state, slot, fallback, least, follows_load=False)}


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

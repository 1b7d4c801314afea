"""The record of the traffic, made anew from what else is known, where it was destroyed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from viridian.api import reasons
from viridian.api.names import Slot
from viridian.core.times import parse_time
from viridian.rollout.input import RolloutInput
from viridian.rollout.records import RevisionRecord, newest_promoted
from viridian.rollout.slot_state import SlotState
from viridian.rollout.traffic.record import ChampionCause, Traffic


def restored(inputs: RolloutInput, now: datetime) -> Traffic | None:
    """The champion is who gets the traffic, or else who was promoted last; None where nobody ever was one."""
    promoted = {
        slot: record.promoted_at or ""
        for slot, state in inputs.slots.items()
        if (record := inputs.records.get(state.revision)) is not None and record.promoted_at and not record.rejected
    }
    receiving = inputs.provider.receiving(inputs.name, inputs.traffic_objects)
    slot = next(iter(receiving)) if len(receiving) == 1 else max(promoted, key=lambda s: promoted[s], default=None)
    state = inputs.slots.get(slot) if slot is not None else None
    if slot is None or state is None or not state.revision:
        return _from_records(inputs, slot or first_slot(inputs.slots))
    others = sorted((at, s) for s, at in promoted.items() if s is not slot)
    former = inputs.slots.get(others[-1][1]) if others else None
    since = parse_time(promoted[slot]) if slot in promoted else now
    record = inputs.records.get(state.revision)
    return Traffic(slot, state.revision, since, former.revision if former else "", cause=_cause(record))


def _from_records(inputs: RolloutInput, slot: Slot) -> Traffic | None:
    """The champion when not even its Deployment is left: the newest one that was not rejected since."""
    newest = newest_promoted(record for record in inputs.records.values() if not record.rejected)
    if newest is None:
        return None
    return Traffic(slot, newest.revision, parse_time(newest.promoted_at), cause=_cause(newest))


def _cause(record: RevisionRecord | None) -> ChampionCause:
    promotion = record.promotion if record is not None else None
    reinstated = promotion is not None and promotion.outcome == reasons.REINSTATED
    return ChampionCause.REINSTATED if reinstated else ChampionCause.PROMOTED


def first_slot(slots: Mapping[Slot, SlotState]) -> Slot:
    """Where the first champion goes: the slot that is in use already, else blue."""
    return next(iter(sorted(slots)), Slot.BLUE)

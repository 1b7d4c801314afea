"""What a policy remembers of its triggers: since when each of them counts, and what they found that still waits.

What occurred before a trigger counts is not missed, and causes no run.

The operator notes it when it first sees what a trigger asks for (its key), in a ControllerRevision of the policy. A
trigger that is renamed goes on with the same key; one that is edited, or removed and added again, begins anew. When it
was written, the API server knows; where it does not tell, what counts is when the operator saw it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from viridian.api.names import (
    MONITOR_PAUSE_ANNOTATION,
    SCHEDULES_ANNOTATION,
    WAITING_CAUSES_ANNOTATION,
    schedules_record,
)
from viridian.core.lookup import Object, annotations_of, entries, json_in, mapping, text
from viridian.core.ownership import remembered
from viridian.core.plan import Apply
from viridian.core.times import format_time, parse_time
from viridian.retraining.input import PolicyFacts
from viridian.retraining.records import note
from viridian.retraining.triggers.cause import Cause, parse_causes
from viridian.retraining.triggers.monitor_pause import MonitorPause
from viridian.retraining.triggers.trigger_state import TriggerState


def counts_since(facts: PolicyFacts, triggers: Iterable[TriggerState], now: datetime) -> Mapping[str, datetime]:
    """Since when each of the triggers that the spec names counts, by its key."""
    stored = _stored(facts)
    known = _noted(stored) if stored is not None else None
    found: dict[str, datetime] = {}
    for trigger in triggers:
        if not trigger.name or not trigger.key or trigger.always_counts:
            continue
        if known is not None and trigger.key in known:
            found[trigger.key] = known[trigger.key]
            continue
        # A policy that was never edited had its triggers from the start.
        unedited = known is None and facts.generation == 1
        first_seen = _edited(facts, trigger) or (facts.created if unedited else now)
        since = max(facts.created, min(first_seen, now))
        found[trigger.key] = min(since, found.get(trigger.key, since))
    return found


def noted_causes(facts: PolicyFacts) -> tuple[Cause, ...]:
    """What triggers found that was noted, since it may not be seen any more."""
    return parse_causes(entries({"causes": json_in(_annotation(facts, WAITING_CAUSES_ANNOTATION))}, "causes"))


def noted_pause(facts: PolicyFacts) -> str:
    """What was noted of the latest pause by monitors."""
    return _annotation(facts, MONITOR_PAUSE_ANNOTATION)


def note_since(
    facts: PolicyFacts,
    since: Mapping[str, datetime],
    waiting: Sequence[Cause] = (),
    pause: MonitorPause | None = None,
) -> Iterator[Apply]:
    """The write that notes it, where it is not noted yet; `waiting` and `pause`: what may not be seen later on."""
    stored = _stored(facts)
    if not since and stored is None:
        return
    times = json.dumps({key: format_time(at) for key, at in sorted(since.items())})
    annotations = {SCHEDULES_ANNOTATION: times}
    if waiting or _annotation(facts, WAITING_CAUSES_ANNOTATION):
        noted = json.dumps([cause.recorded() for cause in waiting], ensure_ascii=False)
        annotations[WAITING_CAUSES_ANNOTATION] = noted
    if pause is not None:
        annotations[MONITOR_PAUSE_ANNOTATION] = pause.rendered()
    action = note(facts, schedules_record(facts.name, facts.uid), annotations, stored)
    if action is not None:
        yield action


def _edited(facts: PolicyFacts, trigger: TriggerState) -> datetime | None:
    """When it was last written, or something else by the same manager after that."""
    key = f"k:{json.dumps({'name': trigger.name}, separators=(',', ':'))}"
    times = (
        parse_time(text(entry, "time"))
        for entry in facts.managed_fields
        if f"f:{trigger.source}" in mapping(entry, "fieldsV1", "f:spec", "f:triggers", key)
    )
    return max((at for at in times if at is not None), default=None)


def _stored(facts: PolicyFacts) -> Object | None:
    return remembered(facts.records, schedules_record(facts.name, facts.uid), facts.uid)


def _annotation(facts: PolicyFacts, name: str) -> str:
    stored = _stored(facts)
    return annotations_of(stored).get(name, "") if stored is not None else ""


def _noted(stored: Object) -> Mapping[str, datetime]:
    document = mapping(json_in(annotations_of(stored).get(SCHEDULES_ANNOTATION, "")))
    times = {key: parse_time(value) for key, value in document.items()}
    return {key: at for key, at in times.items() if at is not None}

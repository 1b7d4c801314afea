"""Since when each schedule holds: no time before that is missed, and none is fired.

The operator notes it when it first sees a schedule, in a ControllerRevision of the policy. A schedule is its cron
expression and its time zone: a trigger that is renamed goes on with the same one, and one that is edited, or removed
and added again, begins anew. When the schedule was written, the API server knows; where it does not tell, what counts
is when the operator saw it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from viridian.api.names import SCHEDULES_ANNOTATION, schedules_record
from viridian.core.intent import apply_unless_covered
from viridian.core.lookup import Object, annotations_of, mapping, text
from viridian.core.plan import Apply
from viridian.core.times import format_time, parse_time
from viridian.retraining.input import PolicyFacts
from viridian.retraining.records import remembered_by, revision
from viridian.retraining.triggers.timetable import InvalidSchedule, Timetable


def since(
    facts: PolicyFacts, schedules: Mapping[str, Timetable | InvalidSchedule], now: datetime
) -> Mapping[str, datetime]:
    """Since when each of the present schedules holds."""
    stored = _stored(facts)
    known = _noted(stored) if stored is not None else None
    found: dict[str, datetime] = {}
    for name, timetable in schedules.items():
        if not isinstance(timetable, Timetable):
            continue
        if known is not None and timetable.key in known:
            found[timetable.key] = known[timetable.key]
            continue
        # A policy that was never edited had its schedules from the start.
        unedited = known is None and facts.generation == 1
        first_seen = facts.edited.get(name) or (facts.created if unedited else now)
        begun = max(facts.created, min(first_seen, now))
        found[timetable.key] = min(begun, found.get(timetable.key, begun))
    return found


def noted(facts: PolicyFacts, schedules: Mapping[str, datetime]) -> Iterator[Apply]:
    """The write that notes them, where they are not noted yet."""
    stored = _stored(facts)
    if not schedules and stored is None:
        return
    name = schedules_record(facts.name, facts.uid)
    manifest = dict(revision(facts.name, facts.namespace, facts.uid, name, 1, {"policy": {"uid": facts.uid}}))
    text_ = json.dumps({key: format_time(at) for key, at in sorted(schedules.items())})
    manifest["metadata"] = {**manifest["metadata"], "annotations": {SCHEDULES_ANNOTATION: text_}}
    action = apply_unless_covered(manifest, stored)
    if action is not None:
        yield action


def _stored(facts: PolicyFacts) -> Object | None:
    name = schedules_record(facts.name, facts.uid)
    ours = (found for found in facts.records if text(found, "metadata", "name") == name)
    return next((found for found in ours if remembered_by(found, facts.uid)), None)


def _noted(stored: Object) -> Mapping[str, datetime]:
    try:
        document: Any = json.loads(annotations_of(stored).get(SCHEDULES_ANNOTATION, ""))
    except (ValueError, RecursionError):
        return {}
    times = {key: parse_time(value) for key, value in mapping(document).items()}
    return {key: at for key, at in times.items() if at is not None}

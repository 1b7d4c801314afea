"""`triggers[].schedule`: occurs at the times of a cron expression. Of several that were missed, the newest counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.triggers import Schedule, Trigger
from viridian.core.times import length
from viridian.retraining.input import PolicyFacts
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.timetable import InvalidSchedule, parse_schedule
from viridian.retraining.triggers.trigger_state import TriggerState

SCHEDULE: Final = "schedule"


def read_schedules(spec: RetrainPolicySpec, _facts: PolicyFacts, now: datetime) -> Iterator[TriggerState]:
    """The triggers of the spec that have a schedule."""
    yield from (_read(trigger, trigger.schedule, now) for trigger in spec.triggers if trigger.schedule is not None)


def _read(trigger: Trigger, schedule: Schedule, now: datetime) -> TriggerState:
    timetable = parse_schedule(schedule)
    if isinstance(timetable, InvalidSchedule):
        return TriggerState(source=SCHEDULE, name=trigger.name, problem=timetable.message)
    newest = timetable.newest(now)
    return TriggerState(
        source=SCHEDULE,
        name=trigger.name,
        key=timetable.key,
        occurred=(Cause(SCHEDULE, trigger.name, newest, key=timetable.key),) if newest else (),
        next=timetable.next(now),
        deadline=length(schedule.starting_deadline),
        recurring=timetable,
    )

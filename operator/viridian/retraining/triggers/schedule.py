"""`triggers[].schedule`: occurs at the times of a cron expression. Of several that were missed, the newest counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from viridian.api.names import fraction
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.triggers import Schedule, Trigger
from viridian.core.times import length
from viridian.core.timetable import InvalidSchedule, parse_schedule
from viridian.retraining.input import PolicyFacts
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.trigger_state import TriggerState

SCHEDULE: Final = "schedule"


def read_schedules(spec: RetrainPolicySpec, facts: PolicyFacts, now: datetime) -> Iterator[TriggerState]:
    """The triggers of the spec that have a schedule."""
    for trigger in spec.triggers:
        if trigger.schedule is not None:
            yield _read(trigger, trigger.schedule, facts.uid, now)


def _read(trigger: Trigger, schedule: Schedule, policy_uid: str, now: datetime) -> TriggerState:
    timetable = parse_schedule(schedule)
    if isinstance(timetable, InvalidSchedule):
        return TriggerState(source=SCHEDULE, name=trigger.name, problem=timetable.message)
    # A time keeps the name that the timetable gives it: with another jitter it is the same time.
    delay = length(schedule.jitter) * fraction(policy_uid, timetable.key)
    newest, coming = timetable.newest(now - delay), timetable.next(now - delay)
    return TriggerState(
        source=SCHEDULE,
        name=trigger.name,
        key=timetable.key,
        occurred=(Cause(SCHEDULE, trigger.name, newest, key=timetable.key),) if newest else (),
        next=coming + delay if coming is not None else None,
        deadline=delay + length(schedule.starting_deadline),
        unless_run_within=length(schedule.unless_run_within) if schedule.unless_run_within else None,
        recurring=timetable,
    )

"""What has fired and waits for a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from viridian.api.names import RUN_ANNOTATION
from viridian.api.retrainpolicy import RetrainPolicySpec, Trigger
from viridian.retraining.input import PolicyFacts
from viridian.retraining.runs import Run
from viridian.retraining.triggers.cause import Cause, manual, scheduled
from viridian.retraining.triggers.timetable import InvalidSchedule, Timetable, length


@dataclass(frozen=True, slots=True)
class Hold:
    """A time in which schedules start no run: what fires then, or could still start then, waits for its end."""

    since: datetime
    # None: until a person does something.
    until: datetime | None = None


def pending_causes(
    facts: PolicyFacts,
    spec: RetrainPolicySpec,
    schedules: Mapping[str, Timetable | InvalidSchedule],
    since: Mapping[str, datetime],
    runs: Sequence[Run],
    holds: Sequence[Hold],
    now: datetime,
) -> tuple[Cause, ...]:
    """The causes that no run has answered: schedules by their time, then the run that a person asks for."""
    fires: list[Cause] = []
    for trigger in spec.triggers:
        timetable = schedules[trigger.name]
        if isinstance(timetable, Timetable):
            begun = since[timetable.key]
            fires += _fire(
                trigger, timetable, max(begun, answered_until(runs, trigger.name, timetable) or begun), holds, now
            )
    answered = answered_by(runs)
    asked = manual(facts.annotations.get(RUN_ANNOTATION, ""))
    return (*sorted(fires, key=_order), *([asked] if asked is not None and asked not in answered else []))


def answered_by(runs: Sequence[Run]) -> tuple[Cause, ...]:
    """Everything that runs have been made for."""
    return tuple(cause for run in runs for cause in run.origin.causes)


def answered_until(runs: Sequence[Run], trigger: str, timetable: Timetable | InvalidSchedule) -> datetime | None:
    """The newest time of the trigger's schedule that a run has answered, whatever the trigger was called then."""
    key = timetable.key if isinstance(timetable, Timetable) else ""
    return _newest(cause for cause in answered_by(runs) if cause.fires_for(trigger, key))


def last_fired(runs: Sequence[Run], trigger: str) -> datetime | None:
    """The newest time that a run has answered for the trigger of that name, whatever its schedule was then."""
    return _newest(cause for cause in answered_by(runs) if cause.trigger == trigger)


def _newest(causes: Iterable[Cause]) -> datetime | None:
    return max((cause.at for cause in causes if cause.at is not None), default=None)


def wanted(
    facts: PolicyFacts, spec: RetrainPolicySpec, schedules: Mapping[str, Timetable | InvalidSchedule], run: Run
) -> bool:
    """Whether somebody still asks for a run that has not begun."""
    asked = manual(facts.annotations.get(RUN_ANNOTATION, ""))
    keys = {(name, timetable.key) for name, timetable in schedules.items() if isinstance(timetable, Timetable)}
    return any(
        cause == asked or (not spec.suspend and any(cause.fires_for(name, key) for name, key in keys))
        for cause in run.origin.causes
    )


def _order(cause: Cause) -> tuple[float, str]:
    return (cause.at.timestamp() if cause.at else 0.0, cause.trigger)


def _fire(
    trigger: Trigger, timetable: Timetable, handled: datetime, holds: Sequence[Hold], now: datetime
) -> Iterator[Cause]:
    """Of all times that have passed, the newest; unless it is too late for it."""
    newest = timetable.newest(now)
    if newest is None or newest <= handled:
        return
    latest = _latest_start(newest, length(trigger.schedule.starting_deadline), holds)
    if latest is None or now <= latest:
        yield scheduled(trigger.name, newest, timetable.key)


def _latest_start(fired: datetime, deadline: timedelta, holds: Sequence[Hold]) -> datetime | None:
    """When it is too late for what fired then: the deadline counts from the end of what holds it back."""
    possible = fired
    for hold in sorted(holds, key=lambda hold: hold.since):
        if hold.since > possible + deadline:
            continue
        if hold.until is None:
            return None
        possible = max(possible, hold.until)
    return possible + deadline

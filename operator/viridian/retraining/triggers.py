"""What has fired and waits for a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from viridian.api.names import RUN_ANNOTATION
from viridian.api.retrainpolicy import ActiveRun, RetrainPolicySpec, Trigger
from viridian.plan.conditions import moment
from viridian.retraining.causes import Cause, Source, manual, scheduled
from viridian.retraining.objects import entries, text
from viridian.retraining.runs import Run, causes_of
from viridian.retraining.schedule import Timetable, Unreadable, length
from viridian.retraining.snapshot import Facts


@dataclass(frozen=True, slots=True)
class Hold:
    """A time in which schedules start no run: what fires then, or could still start then, waits for its end."""

    since: datetime
    # None: until a person does something.
    until: datetime | None = None


def due(
    facts: Facts,
    spec: RetrainPolicySpec,
    tables: Mapping[str, Timetable | Unreadable],
    runs: Sequence[Run],
    vanished: ActiveRun | None,
    holds: Sequence[Hold],
    now: datetime,
) -> tuple[Cause, ...]:
    """The causes that no run has answered: schedules by their time, then the run that a person asks for."""
    answered = [cause for run in runs for cause in run.origin.causes]
    answered += causes_of(vanished.reasons if vanished else ())
    fires: list[Cause] = []
    for trigger in spec.triggers:
        table = tables[trigger.name]
        if isinstance(table, Timetable):
            handled = _handled(facts, trigger.name, answered)
            fires += _fire(trigger, table, max(facts.created, handled or facts.created), holds, now)
    asked = manual(facts.annotations.get(RUN_ANNOTATION, ""))
    return (*sorted(fires, key=_order), *([asked] if asked is not None and asked not in answered else []))


def last_fired(facts: Facts, runs: Sequence[Run], trigger: str) -> datetime | None:
    """The newest time of the trigger that a run has answered, as far as Jobs and status know."""
    return _handled(facts, trigger, [cause for run in runs for cause in run.origin.causes])


def unanswered(facts: Facts, runs: Sequence[Run], fire: Cause) -> bool:
    """No run has answered that time of its trigger, or a later one."""
    handled = last_fired(facts, runs, fire.trigger)
    return fire.at is not None and (handled is None or fire.at > handled)


def _order(cause: Cause) -> tuple[float, str]:
    return (cause.at.timestamp() if cause.at else 0.0, cause.trigger)


def _handled(facts: Facts, trigger: str, answered: Sequence[Cause]) -> datetime | None:
    told = (moment(text(entry, "lastFired")) for entry in entries(facts.status, "triggers") if _named(entry, trigger))
    seen = (cause.at for cause in answered if cause.source is Source.SCHEDULE and cause.trigger == trigger)
    return max((at for at in (*told, *seen) if at is not None), default=None)


def _named(entry: Mapping[str, object], trigger: str) -> bool:
    return text(entry, "name") == trigger


def _fire(
    trigger: Trigger, table: Timetable, handled: datetime, holds: Sequence[Hold], now: datetime
) -> Iterator[Cause]:
    """Of all times that have passed, the newest; unless it is too late for it."""
    newest = table.newest(now)
    if newest is None or newest <= handled:
        return
    latest = _latest_start(newest, length(trigger.schedule.starting_deadline), holds)
    if latest is None or now <= latest:
        yield scheduled(trigger.name, newest)


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

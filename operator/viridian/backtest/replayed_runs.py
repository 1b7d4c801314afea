"""Which runs a RetrainPolicy would have started, and what they would have cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.triggers import Trigger
from viridian.backtest.history import Incident, UnusableHistory
from viridian.core.times import length
from viridian.retraining.triggers.timetable import InvalidSchedule, parse_schedule


@dataclass(frozen=True, slots=True, order=True)
class TriggerTime:
    """A trigger has occurred."""

    at: float
    trigger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedRun:
    """A run that would have been started."""

    at: float
    triggers: tuple[str, ...]
    """All that were due, in the order in which they occurred."""
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The first run that would have answered an incident."""

    incident: str
    seconds: float | None
    """From the incident's start to the start of the run; None where no run was started before its end."""


def runs(policy: RetrainPolicySpec, start: float, end: float, cost: float) -> tuple[ReplayedRun, ...]:
    """The runs between two points in time. A run takes no time here; `cost` is that of one run, in any unit.

    What occurs within the cooldown after a run waits for its end, and is one run with all else that is due then.
    """
    if policy.suspend:
        return ()
    due = sorted(one for trigger in policy.triggers for one in _times(trigger, start, end))
    return tuple(_coalesced(due, length(policy.budget.cooldown).total_seconds(), cost))


def _times(trigger: Trigger, start: float, end: float) -> Iterator[TriggerTime]:
    for at in _scheduled(trigger, start, end):
        yield TriggerTime(at, trigger.name)


def _scheduled(trigger: Trigger, start: float, end: float) -> Iterator[float]:
    timetable = parse_schedule(trigger.schedule)
    if isinstance(timetable, InvalidSchedule):
        raise UnusableHistory(f"trigger {trigger.name}: {timetable.message}")
    found = timetable.next(datetime.fromtimestamp(start, UTC))
    while found is not None and found.timestamp() <= end:
        yield found.timestamp()
        found = timetable.next(found)


def _coalesced(due: Sequence[TriggerTime], cooldown: float, cost: float) -> Iterator[ReplayedRun]:
    waiting: list[TriggerTime] = []
    free_at = float("-inf")
    for one in due:
        if waiting and one.at > free_at:
            yield (run := _run(waiting, free_at, cost))
            waiting, free_at = [], run.at + cooldown
        waiting.append(one)
        if one.at >= free_at:
            yield (run := _run(waiting, one.at, cost))
            waiting, free_at = [], run.at + cooldown
    if waiting:
        yield _run(waiting, free_at, cost)


def _run(waiting: Sequence[TriggerTime], at: float, cost: float) -> ReplayedRun:
    return ReplayedRun(at=at, triggers=tuple(dict.fromkeys(one.trigger for one in waiting)), cost=cost)


def responses(started: Sequence[ReplayedRun], incidents: Sequence[Incident]) -> tuple[Response, ...]:
    """How soon a run followed on each incident."""
    return tuple(Response(incident=incident.name, seconds=_first_after(started, incident)) for incident in incidents)


def _first_after(started: Sequence[ReplayedRun], incident: Incident) -> float | None:
    begin, end = incident.start.timestamp(), incident.end.timestamp() if incident.end is not None else float("inf")
    return next((run.at - begin for run in started if begin <= run.at <= end), None)

"""Which runs a RetrainPolicy would have started, and what they would have cost.

Replayed are schedules and monitors with their cooldowns, `budget.cooldown` and `budget.maxRuns`. A run takes no time
here. Blackouts, CPU-hours and the circuit breaker depend on what runs do, or on a calendar of their own: they are left
out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain

from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.triggers import MonitorsTrigger, Schedule, Trigger
from viridian.backtest.history import Incident, UnusableHistory
from viridian.backtest.replay import ReplayedMonitor
from viridian.core.times import length
from viridian.core.timetable import InvalidSchedule, parse_schedule


@dataclass(frozen=True, slots=True, order=True)
class TriggerTime:
    """A trigger has occurred, or what it has seen is over."""

    at: float
    trigger: str
    began: float
    """Since when it was observed: a run since then has answered it."""
    over: bool = False


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


def runs(
    policy: RetrainPolicySpec, monitors: Sequence[ReplayedMonitor], start: float, end: float, cost: float
) -> tuple[ReplayedRun, ...]:
    """The runs between two points in time; `cost` is that of one run, in any unit.

    What occurs while something holds it back waits for its end, and is one run with all else that is due then.
    """
    if policy.suspend:
        return ()
    known = {monitor.name: monitor for monitor in monitors}
    due = sorted(chain.from_iterable(_times(trigger, known, start, end) for trigger in policy.triggers))
    found = _Starts(policy, cost)
    for one in due:
        found.pass_until(one.at)
        found.take(one)
    found.pass_until(end)
    return tuple(run for run in found.runs if run.at <= end)


def responses(started: Sequence[ReplayedRun], incidents: Sequence[Incident]) -> tuple[Response, ...]:
    """How soon a run followed on each incident."""
    return tuple(Response(incident=incident.name, seconds=_first_after(started, incident)) for incident in incidents)


def _first_after(started: Sequence[ReplayedRun], incident: Incident) -> float | None:
    begin, end = incident.start.timestamp(), incident.end.timestamp() if incident.end is not None else float("inf")
    return next((run.at - begin for run in started if begin <= run.at <= end), None)


# ---- when triggers occur


def _times(
    trigger: Trigger, monitors: Mapping[str, ReplayedMonitor], start: float, end: float
) -> Iterator[TriggerTime]:
    if trigger.schedule is not None:
        yield from (TriggerTime(at, trigger.name, at) for at in _scheduled(trigger.name, trigger.schedule, start, end))
    if trigger.monitors is not None:
        yield from _fired(trigger.name, trigger.monitors, monitors)


def _scheduled(name: str, schedule: Schedule, start: float, end: float) -> Iterator[float]:
    timetable = parse_schedule(schedule)
    if isinstance(timetable, InvalidSchedule):
        raise UnusableHistory(f"trigger {name}: {timetable.message}")
    found = timetable.next(datetime.fromtimestamp(start, UTC))
    while found is not None and found.timestamp() <= end:
        yield found.timestamp()
        found = timetable.next(found)


def _fired(name: str, asked: MonitorsTrigger, monitors: Mapping[str, ReplayedMonitor]) -> Iterator[TriggerTime]:
    missing = [one for one in asked.names if one not in monitors]
    if missing:
        raise UnusableHistory(
            f"trigger {name}: there is no monitor {', '.join(missing)}; there are {', '.join(monitors)}"
        )
    for monitor in (monitors[one] for one in asked.names):
        row = 0
        for window in monitor.judged:
            row = row + 1 if window.fired else 0
            seconds = window.end - window.start
            if row >= asked.windows:
                yield TriggerTime(window.judged_at, name, window.judged_at - asked.windows * seconds)
            elif row == 0:
                yield TriggerTime(window.judged_at, name, window.judged_at, over=True)


# ---- when runs start


@dataclass(slots=True)
class _Starts:
    """The runs so far, and what waits for one."""

    policy: RetrainPolicySpec
    cost: float
    runs: list[ReplayedRun] = field(default_factory=list)
    waiting: dict[str, TriggerTime] = field(default_factory=dict)

    def take(self, one: TriggerTime) -> None:
        """A trigger has occurred at the time that was passed last."""
        if one.over:
            # Another monitor of the same trigger may have fired in the same moment.
            if one.trigger in self.waiting and self.waiting[one.trigger].at < one.at:
                del self.waiting[one.trigger]
        elif not self.runs or self.runs[-1].at <= one.began:
            self.waiting[one.trigger] = one

    def pass_until(self, now: float) -> None:
        """Start what may be started before that time."""
        while self.waiting:
            at = min(max(one.at, self._free_at(one.trigger)) for one in self.waiting.values())
            if at >= now:
                return
            order = sorted(self.waiting.values())
            self.runs.append(ReplayedRun(at=at, triggers=tuple(one.trigger for one in order), cost=self.cost))
            self.waiting = {}

    def _free_at(self, trigger: str) -> float:
        """When nothing holds the trigger back any more."""
        budget = self.policy.budget
        cooldowns = [self._after(self.runs[-1:], budget.cooldown)]
        own = next(one.cooldown for one in self.policy.triggers if one.name == trigger)
        cooldowns.append(self._after([run for run in self.runs if trigger in run.triggers][-1:], own))
        if budget.max_runs is not None and len(self.runs) >= budget.max_runs:
            cooldowns.append(self._after(self.runs[-budget.max_runs :][:1], budget.period))
        return max(cooldowns)

    @staticmethod
    def _after(found: Sequence[ReplayedRun], duration: str) -> float:
        return found[0].at + length(duration).total_seconds() if found else float("-inf")

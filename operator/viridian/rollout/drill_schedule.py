"""When a drill of the rollback is due, and since when none has passed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from viridian.api.triggers import Schedule
from viridian.core.times import length
from viridian.core.timetable import InvalidSchedule, Timetable, parse_schedule
from viridian.rollout.state import RolloutState
from viridian.rollout.traffic.record import Traffic

LATEST_START: Final = timedelta(hours=1)
"""A drill that could not begin so long after its time is left out: it was planned for that time of day."""


def schedule_problem(state: RolloutState) -> str:
    """Why the schedule names no times, with what to write instead; empty where it does."""
    times = _times(state)
    return f"spec.drill: {times.message}" if isinstance(times, InvalidSchedule) else ""


def is_due(state: RolloutState, traffic: Traffic) -> bool:
    """Whether a scheduled time has come for which no drill has begun."""
    times, last = _timetable(state), traffic.drilled
    newest = times.newest(state.now) if times is not None else None
    if newest is None or state.now - newest > LATEST_START:
        return False
    return last is None or last.entered is None or last.entered < newest


def overdue_since(state: RolloutState, traffic: Traffic) -> datetime | None:
    """The scheduled time whose drill should have passed by now; None where one has passed since."""
    times, last = _timetable(state), traffic.drilled
    expected = times.newest(state.now - _grace(state)) if times is not None else None
    passed = last.passed_at if last is not None else None
    return expected if expected is not None and (passed is None or passed < expected) else None


def next_look(state: RolloutState) -> datetime | None:
    """When a drill becomes due, or overdue, though nothing else happens; None without a schedule."""
    times = _timetable(state)
    if times is None:
        return None
    newest, coming = times.newest(state.now), times.next(state.now)
    late = newest + _grace(state) if newest is not None else None
    return min((at for at in (coming, late) if at is not None and at > state.now), default=None)


def _grace(state: RolloutState) -> timedelta:
    """From the scheduled time until its drill must have passed."""
    drill = state.spec.drill
    return LATEST_START + (length(drill.duration) if drill is not None else timedelta())


def _timetable(state: RolloutState) -> Timetable | None:
    times = _times(state)
    return times if isinstance(times, Timetable) else None


def _times(state: RolloutState) -> Timetable | InvalidSchedule | None:
    drill = state.spec.drill
    return parse_schedule(Schedule(cron=drill.cron, time_zone=drill.time_zone)) if drill is not None else None

"""When a challenger may get all of the traffic: not while `spec.hold` is in force, nor outside of `rollout.window`."""

from __future__ import annotations

from viridian.api.triggers import Schedule
from viridian.core.times import length, parse_time
from viridian.core.timetable import InvalidSchedule, parse_schedule
from viridian.rollout.decision import Wait, WaitKind
from viridian.rollout.policies.commands import promotion_command
from viridian.rollout.state import RolloutState


def promotion_wait(state: RolloutState) -> Wait | None:
    """What a promotion waits for. A person who promotes by name waits for no window, but for the end of a hold."""
    hold = promotion_hold(state)
    if hold is not None or promotion_command(state) is not None:
        return hold
    return _closed_window(state)


def promotion_hold(state: RolloutState) -> Wait | None:
    """The hold that is in force. A time that nobody can read ends none."""
    hold = state.spec.hold
    until = parse_time(hold.until) if hold is not None else None
    if hold is None or (until is not None and state.now >= until):
        return None
    by = f", by {hold.by}" if hold.by else ""
    end = "" if until is not None else "; remove spec.hold to end it"
    return Wait(WaitKind.PROMOTION_HOLD, until=until, detail=f"{hold.reason}{by}{end}")


def window_problem(state: RolloutState) -> str:
    """Why the window names no times, with what to write instead; empty where it does."""
    window = state.spec.rollout.window
    timetable = parse_schedule(Schedule(cron=window.cron, time_zone=window.time_zone)) if window is not None else None
    return f"spec.rollout.window: {timetable.message}" if isinstance(timetable, InvalidSchedule) else ""


def _closed_window(state: RolloutState) -> Wait | None:
    """The window, while it is closed. One that names no times never opens."""
    window = state.spec.rollout.window
    if window is None:
        return None
    timetable = parse_schedule(Schedule(cron=window.cron, time_zone=window.time_zone))
    if isinstance(timetable, InvalidSchedule):
        return Wait(WaitKind.PROMOTION_WINDOW, detail=window_problem(state))
    opened = timetable.newest(state.now)
    if opened is not None and state.now < opened + length(window.duration):
        return None
    return Wait(WaitKind.PROMOTION_WINDOW, until=timetable.next(state.now))

"""`blackouts`: windows that begin at the times of a cron expression, on the clock of a time zone, and last so long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from viridian.api.automation import Blackout
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.triggers import Schedule
from viridian.core.times import length
from viridian.core.timetable import InvalidSchedule, Timetable, parse_schedule


@dataclass(frozen=True, slots=True)
class BlackoutWindow:
    """A window of a blackout that has begun."""

    blackout: Blackout
    since: datetime
    until: datetime


def newest_windows(spec: RetrainPolicySpec, now: datetime) -> Iterator[BlackoutWindow]:
    """Of each blackout the window that began last, whether it has ended or not."""
    for blackout in spec.blackouts:
        timetable = _timetable(blackout)
        since = timetable.newest(now) if isinstance(timetable, Timetable) else None
        if since is not None:
            yield BlackoutWindow(blackout, since, since + length(blackout.duration))


def blackout_problems(spec: RetrainPolicySpec) -> Iterator[str]:
    """Blackouts that name no times, with what to write instead."""
    for index, blackout in enumerate(spec.blackouts):
        timetable = _timetable(blackout)
        if isinstance(timetable, InvalidSchedule):
            yield f"spec.blackouts[{index}]: {timetable.message}"


def _timetable(blackout: Blackout) -> Timetable | InvalidSchedule:
    return parse_schedule(Schedule(cron=blackout.cron, time_zone=blackout.time_zone))

"""Points in time by cron on the clock of a time zone: the newest that has passed, and the next one.

croniter counts on wall clocks without a zone; what a wall clock does in spring and autumn is decided here, as cron
itself does it: a time that spring leaves out happens when the clock has jumped, a time that autumn repeats happens the
first time. Only schedules for every hour (`*` in the hour field) follow the hours that really pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from viridian.api.triggers import Schedule

_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat|l"
# croniter also takes hashed and random times; those would differ from one look to the next.
_FIELD = re.compile(rf"(?:[0-9*/,#?-]|{_NAMES})+", re.IGNORECASE)
_SOME_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 (a wall clock has no zone)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class InvalidSchedule:
    """Why a schedule names no times, with what to write instead."""

    message: str


@dataclass(frozen=True, slots=True)
class Timetable:
    """A schedule that was understood."""

    cron: str
    zone: ZoneInfo

    @property
    def key(self) -> str:
        """What tells it from other schedules."""
        return f"{self.cron} {self.zone.key}"

    def newest(self, now: datetime) -> datetime | None:
        """The last time that is not after now, in UTC; None if there is none in living memory."""
        slack = self._slack(now)
        passed: list[datetime] = []
        for local_time in self._local_times_before(self._local(now) + slack):
            passed += [instant for instant in self._instants_of(local_time) if instant <= now]
            if passed and local_time <= self._local(now) - slack:
                break
        return max(passed, default=None)

    def next(self, now: datetime) -> datetime | None:
        """The first time after now, in UTC."""
        slack = self._slack(now)
        coming: list[datetime] = []
        for local_time in self._local_times_after(self._local(now) - slack):
            coming += [instant for instant in self._instants_of(local_time) if instant > now]
            if coming and local_time >= self._local(min(coming)) + self._slack(min(coming)):
                break
        return min(coming, default=None)

    def count(self, after: datetime, until: datetime, most: int) -> int:
        """How many times lie after the first moment, up to and with the second one; at most so many."""
        found, at = 0, self.next(after)
        while at is not None and at <= until and found < most:
            found, at = found + 1, self.next(at)
        return found

    def _instants_of(self, local_time: datetime) -> tuple[datetime, ...]:
        """When the wall clock shows that: once as a rule, never or twice when the clock is changed."""
        first = local_time.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        second = local_time.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        left_out = self._local(first) != local_time
        if not self._hourly:
            return (first,)
        if left_out:
            return ()
        return (first,) if first == second else (first, second)

    @property
    def _hourly(self) -> bool:
        return self.cron.split()[1].startswith("*")

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def _slack(self, instant: datetime) -> timedelta:
        """By how much the order of wall clock times and of real time may differ around that instant."""
        before, after = ((instant + shift).astimezone(self.zone).utcoffset() for shift in (-_DAY, _DAY))
        return abs((after or timedelta()) - (before or timedelta()))

    def _local_times_before(self, local_time: datetime) -> Iterator[datetime]:
        """Times of the schedule on the wall clock, downwards, starting with that one."""
        times = croniter(self.cron, local_time + timedelta(minutes=1), ret_type=datetime)
        yield from (found for found in _all(times.get_prev) if found <= local_time)

    def _local_times_after(self, local_time: datetime) -> Iterator[datetime]:
        """Times of the schedule on the wall clock, upwards, starting with that one."""
        times = croniter(self.cron, local_time - timedelta(minutes=1), ret_type=datetime)
        yield from (found for found in _all(times.get_next) if found >= local_time)


def _all(step: Callable[[], Any]) -> Iterator[datetime]:
    """One time after the other, until there are no more."""
    try:
        while True:
            yield step()
    except CroniterError:
        return


@lru_cache(maxsize=4096)
def parse_schedule(schedule: Schedule) -> Timetable | InvalidSchedule:
    """The schedule, understood."""
    fields = schedule.cron.split()
    if len(fields) != 5 or not all(_FIELD.fullmatch(field) for field in fields) or not croniter.is_valid(schedule.cron):
        return InvalidSchedule(
            f'"{schedule.cron}" is not a schedule: write five fields (minute, hour, day of month, month, day of week), '
            'for example "0 3 * * 0" for Sundays at 03:00'
        )
    zone = _zone(schedule.time_zone)
    if zone is None:
        return InvalidSchedule(
            f'"{schedule.time_zone}" is not a time zone: write an IANA name such as UTC or Europe/Paris'
        )
    understood = Timetable(" ".join(fields), zone)
    if next(_all(lambda: croniter(understood.cron, _SOME_DAY).get_next(datetime)), None) is None:
        return InvalidSchedule(f'"{schedule.cron}" names a day that no year has: choose another day of month or month')
    return understood


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None

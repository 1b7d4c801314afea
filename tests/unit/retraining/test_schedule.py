"""Cron on the clock of a time zone (R27: daylight saving neither doubles nor skips)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viridian.api.triggers import Schedule
from viridian.core.timetable import InvalidSchedule, Timetable, parse_schedule


def timetable(cron: str, zone: str = "UTC") -> Timetable:
    understood = parse_schedule(Schedule(cron=cron, time_zone=zone))
    assert isinstance(understood, Timetable)
    return understood


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def fires(times: Timetable, start: datetime, end: datetime) -> list[str]:
    """All times between, found by looking ahead."""
    found: list[str] = []
    now = start
    while (now := times.next(now) or end) < end:
        found.append(now.strftime("%m-%dT%H:%M"))
    return found


@pytest.mark.parametrize(
    ("sentence", "cron", "zone", "now", "newest", "following"),
    [
        ("every Sunday", "0 3 * * 0", "UTC", "2026-11-23T08:00Z", "2026-11-22T03:00Z", "2026-11-29T03:00Z"),
        ("Sunday is also 7", "0 3 * * 7", "UTC", "2026-11-23T08:00Z", "2026-11-22T03:00Z", "2026-11-29T03:00Z"),
        ("by name", "0 3 * * sun", "UTC", "2026-11-23T08:00Z", "2026-11-22T03:00Z", "2026-11-29T03:00Z"),
        (
            "the very moment has passed",
            "0 3 * * 0",
            "UTC",
            "2026-11-22T03:00Z",
            "2026-11-22T03:00Z",
            "2026-11-29T03:00Z",
        ),
        ("in a zone", "0 9 * * *", "Europe/Paris", "2026-07-01T07:30Z", "2026-07-01T07:00Z", "2026-07-02T07:00Z"),
        ("a leap day", "0 0 29 2 *", "UTC", "2026-11-23T00:00Z", "2024-02-29T00:00Z", "2028-02-29T00:00Z"),
        ("last day of the month", "0 0 L * *", "UTC", "2026-11-23T00:00Z", "2026-10-31T00:00Z", "2026-11-30T00:00Z"),
        ("half-hour zone", "0 6 * * *", "Asia/Kolkata", "2026-11-23T00:29Z", "2026-11-22T00:30Z", "2026-11-23T00:30Z"),
    ],
)
def test_the_newest_and_the_next_time(
    sentence: str, cron: str, zone: str, now: str, newest: str, following: str
) -> None:
    assert timetable(cron, zone).newest(at(now)) == at(newest), sentence
    assert timetable(cron, zone).next(at(now)) == at(following), sentence


@pytest.mark.parametrize(
    ("sentence", "cron", "zone", "day", "expected"),
    [
        ("03:00 is left out: once, when the clock has jumped to 04:00", "0 3 * * 0", "Europe/Helsinki", "2027-03-28",
         ["03-28T01:00"]),
        ("03:00 comes twice: only the first", "0 3 * * 0", "Europe/Helsinki", "2027-10-31", ["10-31T00:00"]),
        ("03:30 comes twice: only the first", "30 3 * * *", "Europe/Athens", "2027-10-31", ["10-31T00:30"]),
        ("left out and present at once are one", "0 3,4 * * *", "Europe/Helsinki", "2027-03-28", ["03-28T01:00"]),
        ("a range of hours is not every hour: each once", "0 2-5 * * *", "Europe/Helsinki", "2027-10-31",
         ["10-30T23:00", "10-31T00:00", "10-31T02:00", "10-31T03:00"]),
        ("every real hour in autumn", "0 */6 * * *", "Europe/Helsinki", "2027-10-31",
         ["10-30T21:00", "10-31T04:00", "10-31T10:00", "10-31T16:00"]),
        ("half an hour of daylight saving", "15 2 * * *", "Australia/Lord_Howe", "2027-10-03", ["10-02T15:45"]),
    ],
)  # fmt: skip
def test_days_on_which_the_clock_is_changed(sentence: str, cron: str, zone: str, day: str, expected: list[str]) -> None:
    times = timetable(cron, zone)
    start = datetime.fromisoformat(day).replace(tzinfo=times.zone).astimezone(UTC) - timedelta(seconds=1)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=times.zone).astimezone(UTC)
    assert fires(times, start, end) == expected, sentence


@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31"])
def test_every_hour_means_every_real_hour(day: str) -> None:
    start = at(f"{day}T00:00Z") - timedelta(hours=6, seconds=1)
    times = timetable("0 * * * *", "Europe/Helsinki")
    assert len(fires(times, start, start + timedelta(hours=24))) == 24


@pytest.mark.parametrize(
    ("cron", "zone", "says"),
    [
        ("0 3 * *", "UTC", "five fields"),
        ("0 3 * * 0 0", "UTC", "five fields"),
        ("@weekly", "UTC", "five fields"),
        ("R R * * *", "UTC", "five fields"),
        ("H H * * *", "UTC", "five fields"),
        ("61 3 * * *", "UTC", "five fields"),
        ("*/0 * * * *", "UTC", "five fields"),
        ("0 3 * * noday", "UTC", "five fields"),
        ("0 3 30 2 *", "UTC", "no year has"),
        ("0 3 * * 0", "Mars/Phobos", "IANA name"),
        ("0 3 * * 0", "Europe", "IANA name"),
        ("0 3 * * 0", "../../etc/passwd", "IANA name"),
        ("0 3 * * 0", "", "IANA name"),
    ],
)
def test_what_is_no_schedule_says_what_to_write(cron: str, zone: str, says: str) -> None:
    answer = parse_schedule(Schedule(cron=cron, time_zone=zone))
    assert isinstance(answer, InvalidSchedule)
    assert says in answer.message


CRONS = st.sampled_from(["0 3 * * 0", "30 * * * *", "*/20 * * * *", "0,30 2-4 * * *", "15 3 28-31 3,10 *", "0 0 1 * *"])
ZONES = st.sampled_from(["UTC", "Europe/Helsinki", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
MOMENTS = st.integers(int(at("2020-01-01T00:00Z").timestamp()), int(at("2035-01-01T00:00Z").timestamp())).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)


@settings(deadline=None)
@given(CRONS, ZONES, MOMENTS)
def test_nothing_lies_between_the_newest_and_the_next(cron: str, zone: str, now: datetime) -> None:
    times = timetable(cron, zone)
    newest, following = times.newest(now), times.next(now)
    assert newest is not None
    assert following is not None
    assert newest <= now < following
    assert times.next(newest) == following
    assert times.newest(following) == following
    assert times.newest(following - timedelta(seconds=1)) == newest


@settings(deadline=None, max_examples=20)
@given(CRONS, ZONES, st.sampled_from([(2027, 3, 27), (2027, 10, 30), (2027, 11, 6), (2027, 10, 2)]))
def test_looking_ahead_and_looking_back_agree_around_the_change(
    cron: str, zone: str, day: tuple[int, int, int]
) -> None:
    times = timetable(cron, zone)
    start = datetime(*day, tzinfo=UTC)
    looks = [times.newest(start + timedelta(minutes=10 * step)) for step in range(1, 6 * 60)]
    seen = sorted({found for found in looks if found is not None and found > start})
    ahead: list[datetime] = []
    now = start
    while (now := times.next(now) or start) <= start + timedelta(minutes=10 * (6 * 60 - 1)):
        ahead.append(now)
    assert seen == ahead

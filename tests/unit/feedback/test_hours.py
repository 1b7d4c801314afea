"""Counts of long ago are merged into hours; figures and repetitions stay what they were."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from tests.support.collecting import START, Stand, collecting, profile, profile_window, served
from viridian.api.feedback import Served, Window
from viridian.api.profile import Numbers, Profile
from viridian.feedback.figures.spans import Spans
from viridian.feedback.figures.windows import WindowSums
from viridian.feedback.storage import tables
from viridian.feedback.storage.hourly_profiles import Row, runs

HOURS = 3
DETAIL = 8 * 86_400
SPANS = Spans.checked(START, START + 3600 * HOURS, 3600)


def counted(chance: random.Random) -> Profile:
    """Whole numbers with exact moments."""
    low, high = chance.randint(0, 9), chance.randint(1, 9)
    return profile((low, high), (high, low))


async def report(stand: Stand, sequence: int, counts: Profile, pod: str, by: Served | None = None) -> int:
    window = profile_window(sequence, counts, pod=pod, by=by)
    stored: int = (await stand.server.ok("POST", "/v1/profiles", content=msgspec.json.encode(window)))["stored"]
    return stored


async def fill(stand: Stand) -> None:
    """A window a minute of two pods of one revision and one of another; one window never came."""
    chance = random.Random(2)
    for minute in range(60 * HOURS):
        for pod, by in (("a", None), ("b", served(slot="blue")), ("c", served(revision="other", version="6"))):
            if (pod, minute) != ("a", 10):
                await report(stand, minute, counted(chance), pod, by)


def stored(stand: Stand) -> int:
    with stand.collector.engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(tables.profiles)) or 0)


async def hourly(stand: Stand) -> list[Window]:
    return await stand.admin.windows(START, START + 3600 * HOURS, 3600)


def same(one: Window, other: Window) -> None:
    """Counts to the last row, moments to the last digits: sums of floats depend on their order."""
    assert one.profile is not None
    assert other.profile is not None
    ages = one.profile.features["age"], other.profile.features["age"]
    assert isinstance(ages[0], Numbers)
    assert isinstance(ages[1], Numbers)
    for name in ("mean", "m2"):
        assert getattr(ages[0], name) == pytest.approx(getattr(ages[1], name), rel=1e-12)
    moved = msgspec.structs.replace(ages[1], mean=ages[0].mean, m2=ages[0].m2)
    features = {**other.profile.features, "age": moved}
    assert one == msgspec.structs.replace(other, profile=msgspec.structs.replace(other.profile, features=features))


async def test_hours_count_what_their_minutes_counted(tmp_path: Path, database_url: str) -> None:
    async with collecting(tmp_path, database_url) as stand:
        await fill(stand)
        before, whole = await hourly(stand), stored(stand)
        await stand.collector.sweeper.sweep()
        assert stored(stand) == whole, "nothing is old enough"
        stand.clock.now = START + 3600 * HOURS + DETAIL
        await stand.collector.sweeper.sweep()
        assert stored(stand) == 3 * HOURS + 1, "the missing minute divides its hour"
        after = await hourly(stand)
        fresh = list(WindowSums(stand.collector.engine).of("ml", "churn", SPANS))
        assert len(after) == len(before) == len(fresh) == 2 * HOURS
        for old, new, read in zip(before, after, fresh, strict=True):
            same(old, new)
            same(new, read)
        # What is sent again is still a repetition; what never came is not.
        again = [await report(stand, minute, profile((1, 1), (1, 1)), "a") for minute in (0, 9, 10, 11, 70)]
        assert again == [0, 0, 1, 0, 0]
        assert stored(stand) == 3 * HOURS + 2
        await stand.collector.sweeper.sweep()
        assert stored(stand) == 3 * HOURS + 2, "an hour is merged once"
    async with collecting(tmp_path, database_url) as stand:
        stand.clock.now = START + 3600 * HOURS + DETAIL
        await stand.collector.sweeper.sweep()
        assert stored(stand) == 3 * HOURS, "the gap was filled"


async def test_what_was_merged_goes_when_its_time_is_over(stand: Stand) -> None:
    for minute in range(3):
        await report(stand, minute, profile((1, 1), (1, 1)), "a")
    stand.clock.now = START + DETAIL + 7200
    await stand.collector.sweeper.sweep()
    assert stored(stand) == 1
    stand.clock.now = START + 401 * 86_400
    await stand.collector.sweeper.sweep()
    assert stored(stand) == 0


def row(sequence: int, *, first: int | None = None, pod: str = "a", shape: int = 1, start: float | None = None) -> Row:
    at = 60.0 * sequence if start is None else start
    return Row(sequence, pod, shape, sequence if first is None else first, sequence, at, at + 60)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([row(0)], []),
        ([row(0), row(1), row(2)], [[0, 1, 2]]),
        ([row(0), row(2), row(3)], [[2, 3]]),
        ([row(0), row(1, pod="b"), row(2, pod="b")], [[1, 2]]),
        ([row(0), row(1, shape=2), row(2, shape=2)], [[1, 2]]),
        ([row(58), row(59), row(60), row(61)], [[58, 59], [60, 61]]),
        ([row(5, first=0), row(6), row(9, first=7)], [[5, 6, 9]]),
    ],
)
def test_only_windows_that_follow_each_other_in_one_hour_become_one(rows: list[Row], expected: list[list[int]]) -> None:
    assert [[one.sequence for one in run.rows] for run in runs(rows)] == expected

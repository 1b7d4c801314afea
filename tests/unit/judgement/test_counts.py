"""What pods answered in a window, from readings of counters that restart."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.snapshots import NOW, sample
from viridian.api.samples import PodSample
from viridian.judgement.counts import Counts, counted

INF = float("inf")


SLACK = timedelta(seconds=5)


def window(*pods: list[PodSample], seconds: float = 10) -> Counts:
    return counted(pods, NOW - timedelta(seconds=seconds), NOW, SLACK)


def test_the_difference_between_the_reading_before_the_window_and_the_newest_one() -> None:
    pod = [sample("a", 12, 100), sample("a", 10, 150, 1), sample("a", 5, 180, 2), sample("a", 0, 200, 4)]
    assert (window(pod).requests, window(pod).errors) == (50, 3)


def test_a_first_reading_counts_nothing_whatever_the_age_of_the_process() -> None:
    assert window([sample("a", 3, 1_000_000, 7)]) == Counts(latency=window([sample("a", 3, 0)]).latency)
    assert window([sample("a", 3, 1_000_000, 7), sample("a", 2, 1_000_010, 9)]).errors == 2


@pytest.mark.parametrize(("age", "requests"), [(14, 40), (16, 10), (3600, 10)])
def test_a_reading_long_before_the_window_is_not_where_counting_starts(age: float, requests: float) -> None:
    """Nobody knows how much of what came between the two is of the window."""
    assert window([sample("a", age, 100), sample("a", 4, 130), sample("a", 0, 140)]).requests == requests


def test_a_counter_that_fell_began_again() -> None:
    pod = [sample("a", 12, 100), sample("a", 8, 130, 3), sample("a", 4, 20, 1), sample("a", 0, 25, 1)]
    assert (window(pod).requests, window(pod).errors) == (30 + 25, 3 + 1)


def test_it_may_fall_twice() -> None:
    pod = [sample("a", 12, 100), sample("a", 9, 10), sample("a", 6, 30), sample("a", 3, 5), sample("a", 0, 6)]
    assert window(pod).requests == 30 + 6


def test_pods_are_added_up() -> None:
    one = [sample("a", 11, 100), sample("a", 0, 110, 1)]
    other = [sample("b", 11, 500), sample("b", 0, 540, 2)]
    assert (window(one, other).requests, window(one, other).errors) == (50, 3)


def test_what_was_not_known_yet_at_an_earlier_look_does_not_count_for_it() -> None:
    pod = [sample("a", 11, 100), sample("a", 5, 110), sample("a", 0, 200)]
    assert counted([pod], NOW - timedelta(seconds=15), NOW - timedelta(seconds=1), SLACK).requests == 10


def test_without_readings_in_the_window_nothing_was_answered() -> None:
    assert window([sample("a", 30, 100)]) == Counts()
    assert window() == Counts()


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=30))
def test_restarts_lose_nothing_that_was_read(steps: list[tuple[int, bool]]) -> None:
    """A process that restarts right after a reading loses no answer; a new one with more answers hides the restart."""
    total, counter, readings = 0, 0, [sample("a", 100, 0)]
    for number, (more, restart) in enumerate(steps):
        if restart and more < counter:
            counter = 0
        counter, total = counter + more, total + more
        readings.append(sample("a", 99 - number, counter))
    assert window(readings, seconds=100).requests == total


LATENCY = Counts(100, 0, ((0.1, 50), (0.2, 90), (0.5, 98), (INF, 100)))


@pytest.mark.parametrize(
    ("share", "seconds"),
    [(0.5, 0.1), (0.25, 0.05), (0.7, 0.15), (0.9, 0.2), (0.95, 0.3875), (0.98, 0.5), (0.99, 0.5), (1.0, 0.5)],
)
def test_quantiles_are_interpolated_within_their_bucket(share: float, seconds: float) -> None:
    assert LATENCY.quantile(share) == pytest.approx(seconds)


def test_there_is_no_quantile_without_answers() -> None:
    assert Counts().quantile(0.5) is None


@pytest.mark.parametrize(
    ("limit", "slower"), [(0.1, 50), (0.05, 75), (0.15, 30), (0.2, 10), (0.35, 6), (0.5, 2), (0.7, 2), (0.0, 100)]
)
def test_answers_slower_than_a_limit_are_interpolated_too(limit: float, slower: float) -> None:
    assert LATENCY.slower_than(limit) == pytest.approx(slower)


@given(st.lists(st.integers(0, 100), min_size=4, max_size=4), st.floats(0.01, 0.49))
def test_quantile_and_slower_than_agree(counts: list[int], limit: float) -> None:
    """p95 is above the limit exactly if more than 5 % are slower, within what a bucket can tell."""
    running, buckets = 0, []
    for bound, count in zip((0.1, 0.2, 0.5, INF), counts, strict=True):
        running += count
        buckets.append((bound, float(running)))
    whole = Counts(running, 0, tuple(buckets))
    quantile = whole.quantile(0.95)
    if quantile is not None and abs(quantile - limit) > 1e-9 and quantile < 0.5:
        assert (quantile > limit) == (whole.slower_than(limit) > 0.05 * running + 1e-9) or counts_nothing_at(counts)


def counts_nothing_at(counts: list[int]) -> bool:
    """Empty buckets make a quantile jump: both answers are right at the edge."""
    return 0 in counts


def test_runtimes_with_other_buckets_are_added_by_what_both_can_tell() -> None:
    one, other = Counts(10, 0, ((0.1, 5), (0.2, 8), (INF, 10))), Counts(10, 0, ((0.2, 6), (1.0, 9), (INF, 10)))
    assert (one + other).latency == ((0.2, 14), (INF, 20))

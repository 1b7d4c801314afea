"""Which windows are asked for, and when the next one is complete."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.watched import HOUR, monitoring, window
from viridian.core.profile_interval import profile_seconds
from viridian.monitoring.windows import (
    Content,
    WindowQuery,
    Windows,
    calendar,
    delay,
    jitter,
    seconds,
    window_queries,
)

NOW = datetime(2026, 11, 24, 12, 1, 40, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()


def test_a_window_is_judged_once_what_servers_counted_has_come_in() -> None:
    asked = monitoring(window="1h")
    assert delay(HOUR) == 90
    assert calendar(asked, "0s", NOW).end == NOON
    assert calendar(asked, "0s", NOW - timedelta(seconds=11)).end == NOON - HOUR


@given(st.sampled_from(["1m", "7m", "1h", "1d", "30d"]), st.integers(0, 10**7))
def test_the_next_look_is_when_the_next_window_is_complete(length: str, passed: int) -> None:
    asked = monitoring(window=length, season="210d")
    now = NOW + timedelta(seconds=passed)
    days = calendar(asked, "0s", now)
    assert now < days.next_evaluation <= now + timedelta(seconds=days.seconds)
    assert calendar(asked, "0s", days.next_evaluation).end == days.end + days.seconds
    assert calendar(asked, "0s", days.next_evaluation - timedelta(seconds=1)).end == days.end


@given(st.text(min_size=1), st.sampled_from(["1m", "7m", "1h", "1d", "30d"]), st.integers(0, 10**7))
def test_each_object_looks_a_little_later_always_by_as_much(uid: str, length: str, passed: int) -> None:
    asked = monitoring(window=length, season="210d")
    now = NOW + timedelta(seconds=passed)
    later = jitter(uid, seconds(length))
    assert 0 <= later <= min(600, seconds(length) / 10)
    days = calendar(asked, "0s", now, uid)
    assert days == replace(calendar(asked, "0s", now - timedelta(seconds=later)), lag=days.lag)
    assert calendar(asked, "0s", days.next_evaluation + timedelta(milliseconds=1), uid).end == days.end + days.seconds


def test_the_looks_of_many_objects_are_spread() -> None:
    minutes = Counter(int(jitter(f"uid-{number}", 86400.0) // 60) for number in range(1000))
    assert sorted(minutes) == list(range(10))
    assert max(minutes.values()) < 150


def test_windows_are_the_same_for_all_who_count_from_1970() -> None:
    days = calendar(monitoring(window="7m", season="7m"), "0s", NOW)
    assert days.end % 420 == 0


def test_labels_are_waited_for() -> None:
    days = calendar(monitoring(window="1h"), "1d", NOW)
    assert days.mature_end(None) == NOON - 24 * HOUR
    assert days.mature_end("90m") == NOON - 2 * HOUR
    assert days.mature_end("0s") == NOON


def test_every_window_is_asked_for_once() -> None:
    asked = monitoring(
        {"name": "age", "drift": {"features": ["age"]}},
        {"name": "other", "drift": {}},
        {"name": "season", "drift": {"reference": "SameSeason"}},
        {"name": "before", "drift": {"reference": "PreviousWindow"}},
        {"name": "answers", "predictionDrift": {"reference": "PreviousWindow"}},
        {"name": "auc", "performance": {"metric": "auc", "min": 0.8, "consecutive": 3, "labelMaturity": "2h"}},
        {"name": "concept", "conceptDrift": {}},
        {"name": "decay", "decay": {"metric": "auc", "perWindow": -0.01, "windows": 10}},
        {"name": "estimate", "estimatedPerformance": {"metric": "auc", "min": 0.8, "consecutive": 3}},
    )
    found = window_queries(asked, calendar(asked, "0s", NOW), "r1")
    assert found == [
        WindowQuery(NOON - 169 * HOUR + HOUR - HOUR, NOON - 168 * HOUR, HOUR, None),
        WindowQuery(NOON - 5 * HOUR, NOON - 2 * HOUR, HOUR, "r1", Content.OUTCOMES),
        WindowQuery(NOON - 3 * HOUR, NOON - 2 * HOUR, HOUR, "r1", Content.PREDICTIONS),
        WindowQuery(NOON - 2 * HOUR, NOON - HOUR, HOUR, None),
        WindowQuery(NOON - 2 * HOUR, NOON - HOUR, HOUR, "r1"),
        WindowQuery(NOON - 10 * HOUR, NOON, HOUR, "r1", Content.OUTCOMES),
        WindowQuery(NOON - HOUR, NOON, HOUR, "r1"),
    ]


def test_what_one_answer_has_is_kept_whatever_the_others_leave_out() -> None:
    whole = window(0, rows=50)
    scores = WindowQuery(0, HOUR, HOUR, "r1", Content.PREDICTIONS).needed_of(whole)
    bare = msgspec.structs.replace(whole, profile=None)
    for answers in permutations([whole, scores, bare]):
        assert Windows.of(answers).known == (whole,)
    assert Windows.of([bare, scores]).known == (scores,)


def test_of_many_windows_only_what_is_needed_stays_in_memory() -> None:
    whole = window(0, rows=50)
    assert whole.profile is not None
    kept = WindowQuery(0, HOUR, HOUR, "r1", Content.PREDICTIONS).needed_of(whole)
    assert kept.profile is not None
    assert (kept.profile.features, kept.profile.prediction) == ({}, whole.profile.prediction)
    assert WindowQuery(0, HOUR, HOUR, "r1").needed_of(whole) is whole


def test_a_new_version_is_compared_with_what_others_met_before_it() -> None:
    known = Windows.of(
        [
            window(0, revision="old", rows=50),
            window(0, revision="older", rows=20),
            window(0, revision="mine", silent=True),
        ]
    )
    found = known.before("mine", 0)
    assert found is not None
    assert found.revision == "old"
    assert known.before("mine", HOUR) is None
    assert known.row("old", HOUR, HOUR, 2) == [None, known.at("old", 0)]


@pytest.mark.parametrize(("length", "every"), [("1m", 15), ("2m", 30), ("1h", 60), ("1d", 60)])
def test_short_windows_are_told_more_often(length: str, every: int) -> None:
    assert profile_seconds(monitoring(window=length)) == every
    assert profile_seconds(None) == 60

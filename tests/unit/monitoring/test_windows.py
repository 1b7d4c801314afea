"""Which windows are asked for, and when the next one is complete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.watched import HOUR, monitoring, window
from viridian.monitoring.windows import Span, Windows, calendar, delay, profile_seconds, spans

NOW = datetime(2026, 11, 24, 12, 1, 40, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()


def test_a_window_is_judged_once_what_servers_counted_has_come_in() -> None:
    asked = monitoring(window="1h")
    assert delay(HOUR) == 90
    assert calendar(asked, "0s", NOW).end == NOON
    assert calendar(asked, "0s", NOW - timedelta(seconds=11)).end == NOON - HOUR


@given(st.sampled_from(["1m", "7m", "1h", "1d", "30d"]), st.integers(0, 10**7))
def test_the_next_look_is_when_the_next_window_is_complete(length: str, seconds: int) -> None:
    asked = monitoring(window=length, season="210d")
    now = NOW + timedelta(seconds=seconds)
    days = calendar(asked, "0s", now)
    assert now < days.next_look <= now + timedelta(seconds=days.seconds)
    assert calendar(asked, "0s", days.next_look).end == days.end + days.seconds
    assert calendar(asked, "0s", days.next_look - timedelta(seconds=1)).end == days.end


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
        {"name": "estimate", "estimatedPerformance": {"metric": "auc", "min": 0.8, "consecutive": 1}},
    )
    found = spans(asked, calendar(asked, "0s", NOW), "r1")
    assert found == [
        Span(NOON - 169 * HOUR + HOUR - HOUR, NOON - 168 * HOUR, HOUR, None),
        Span(NOON - 5 * HOUR, NOON - 2 * HOUR, HOUR, "r1"),
        Span(NOON - 2 * HOUR, NOON - HOUR, HOUR, None),
        Span(NOON - 2 * HOUR, NOON - HOUR, HOUR, "r1"),
        Span(NOON - 10 * HOUR, NOON, HOUR, "r1"),
        Span(NOON - HOUR, NOON, HOUR, "r1"),
    ]


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

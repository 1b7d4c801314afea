"""In how many windows in a row a monitor has fired, as it is written down for the triggers that count them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.monitoring.test_decide import NOW, inputs, recorded, seen, status
from viridian.api import reasons
from viridian.core.monitor_results import parse_results
from viridian.core.plan import Annotate
from viridian.monitoring.decide import decide
from viridian.monitoring.input import EvaluationFailure, MonitoringInput

AGE = frozenset({"age-shift"})


def story(*passes: MonitoringInput, counted: frozenset[str] = AGE) -> list[Mapping[str, Any]]:
    """`status.monitoring` after each pass, an hour apart."""
    found: list[Mapping[str, Any]] = []
    before: Mapping[str, Any] = {}
    for hour, one in enumerate(passes):
        before = status(decide(replace(one, status=before, counted=counted), NOW + timedelta(hours=hour)))
        found.append(before["monitoring"])
    return found


def rows(*passes: MonitoringInput, counted: frozenset[str] = AGE) -> list[int]:
    results = [parse_results(found) for found in story(*passes, counted=counted)]
    return [sum(one.windows for one in found.fired() if one.name == "age-shift") if found else 0 for found in results]


SHIFTED = {"shift": 1.0}


@pytest.mark.parametrize(
    ("sentence", "hours", "expected"),
    [
        ("each window in a row", {0: SHIFTED, 1: SHIFTED, 2: SHIFTED}, [1, 2, 3]),
        ("a quiet one ends the row", {0: SHIFTED, 1: {}, 2: SHIFTED}, [1, 0, 1]),
        ("one that cannot be judged ends it as well", {0: SHIFTED, 1: {"rows": 20}, 2: SHIFTED}, [1, 0, 1]),
        ("one that nobody judged ends it as well", {0: SHIFTED, 2: SHIFTED, 3: SHIFTED}, [1, 1, 2]),
        ("another feature fires too", {0: SHIFTED, 1: {**SHIFTED, "missing": 0.4}}, [1, 2]),
    ],
)
def test_a_row_is_of_windows_that_follow_each_other(
    sentence: str, hours: dict[int, dict[str, Any]], expected: list[int]
) -> None:
    assert rows(*(seen(hour, **parts) for hour, parts in hours.items())) == expected, sentence


def test_the_same_window_counts_once_however_often_it_is_judged() -> None:
    assert rows(seen(shift=1.0), seen(shift=1.0), seen(shift=1.0, seed=4)) == [1, 1, 1]


def test_a_collector_that_is_away_counts_nothing() -> None:
    away = replace(seen(), evaluation=EvaluationFailure(reasons.COLLECTOR_UNAVAILABLE, "it cannot be reached"))
    assert rows(seen(shift=1.0), away, away) == [1, 1, 1]


def test_nothing_is_written_of_monitors_that_no_trigger_counts() -> None:
    first, *others = story(seen(shift=1.0), seen(1, shift=1.0, seed=4), counted=frozenset())
    assert others == [first]
    assert rows(seen(shift=1.0), seen(1, shift=1.0), counted=frozenset({"gaps"})) == [1, 1]


def test_the_row_stands_on_the_record_of_the_champion_with_the_newest_figures() -> None:
    first, second = seen(shift=1.0), seen(1, shift=1.4, seed=4)
    noted = ""
    values = []
    for hour, one in enumerate((first, second)):
        plan = decide(replace(recorded(one, noted), counted=AGE), NOW + timedelta(hours=hour))
        (write,) = plan.actions
        assert isinstance(write, Annotate)
        (noted,) = write.annotations.values()
        values.append(status(plan)["monitoring"]["monitors"][0]["figures"][0]["value"])
    assert values[0] < 1.2 < values[1]
    again = decide(replace(recorded(second, noted), counted=AGE), NOW + timedelta(hours=1))
    assert again.actions == (), "a window that is noted is not noted again"


def test_another_champion_begins_a_row_of_its_own() -> None:
    assert rows(seen(shift=1.0), seen(1, shift=1.0, revision="r2")) == [1, 1]


@pytest.mark.parametrize("junk", [None, 7, {}, {"revision": "r1"}, {"revision": "r1", "start": "x", "end": "y"}, []])
def test_what_makes_no_sense_is_no_result(junk: Any) -> None:
    assert parse_results(junk) is None


def test_of_a_monitor_whose_windows_are_not_counted_the_newest_one_is_known() -> None:
    (found,) = story(seen(shift=1.0), counted=frozenset())
    results = parse_results(found)
    assert results is not None
    (fired,) = results.fired()
    assert (fired.name, fired.windows, fired.last) == ("age-shift", 1, results.end)
    assert results.length == timedelta(hours=1)
    assert inputs().fires is False

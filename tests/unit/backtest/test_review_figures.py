"""What a review looks at, on ninety days whose figures are known by hand."""

from __future__ import annotations

import pytest

from tests.support import history
from tests.support.history import CAMPAIGN, DAY, LAG
from viridian.api.performance import PerformanceMetric
from viridian.backtest.history import Incident
from viridian.backtest.review_figures import ReviewFigures, review_figures

NEVER = {"name": "far", "drift": {"statistic": "KS", "threshold": 0.9, "decision": "Point"}}
ALWAYS = {
    "name": "strict",
    "performance": {"metric": "accuracy", "min": 0.99, "consecutive": 1, "labelMaturity": "0s"},
}


def figures(*incidents: Incident) -> ReviewFigures:
    watched = history.deployment(*history.MONITORS, NEVER, ALWAYS)
    return review_figures(watched, history.history(*incidents), PerformanceMetric.ACCURACY)


def test_thresholds_that_never_fire_or_always_are_found() -> None:
    found = {one.monitor: (one.fired, one.false_alarms, one.finding.split(":")[0]) for one in figures().thresholds}
    assert found == {
        "inputs": (9, 1, ""),
        "accuracy": (9, 0, ""),
        "far": (0, 0, "it never fired"),
        "strict": (90, 0, "it fires always"),
    }


def test_the_time_in_breach_is_that_of_the_windows_that_fired() -> None:
    assert {one.monitor: one.breach_seconds for one in figures().thresholds}["inputs"] == 9 * DAY


def test_an_incident_is_detected_mitigated_and_over() -> None:
    (found,) = review_figures(history.deployment(), history.history(), PerformanceMetric.ACCURACY).incidents
    assert found.incident == CAMPAIGN
    assert found.detected_by == "inputs"
    assert found.seconds_to_detect == 3 * DAY + LAG
    assert found.seconds_to_mitigate == 15 * DAY  # the next version serves from day 45 on
    assert found.seconds_to_recover == 11 * DAY + LAG  # quiet again in the window of day 40


def test_an_incident_that_nobody_saw_has_no_time_of_detection() -> None:
    quiet = Incident(name="fraud", start=history.BEGIN, end=history.BEGIN.replace(day=5))
    (found,) = review_figures(history.deployment(), history.history(quiet), PerformanceMetric.ACCURACY).incidents
    assert (found.detected_by, found.seconds_to_detect, found.seconds_to_recover) == ("", None, None)


def test_versions_have_an_offline_and_an_online_figure_with_their_distance() -> None:
    first, second = figures().versions
    assert (first.version, first.windows, first.labelled) == ("1", 45, 45_000)
    assert first.online == pytest.approx((35 * 0.90 + 10 * 0.85) / 45)
    assert second.online == pytest.approx(0.95 - 0.001 * 22)  # the mean of 45 days that fall evenly
    assert second.distance == pytest.approx(0.95 - 0.022 - 0.9)


def test_what_was_lost_in_breach_counts_from_the_level_of_each_version() -> None:
    found = review_figures(history.deployment(), history.history(), PerformanceMetric.ACCURACY)
    # Days 31 to 39 fired, 0.05 below the level of version 1 each; day 60 is 0.015 below that of version 2.
    assert found.lost_in_breach == pytest.approx(9 * 0.05 + 0.015)

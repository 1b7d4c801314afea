"""A backtest on ninety days whose results are known by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.support import history
from tests.support.history import CAMPAIGN, DAY, LAG, at
from viridian.api.performance import PerformanceMetric
from viridian.backtest.cadence import advise, decay_rate
from viridian.backtest.history import History, Incident, UnusableHistory
from viridian.backtest.replayed_runs import Response
from viridian.backtest.report import BacktestReport, MonitorReport, backtest

MONTHLY = {"name": "monthly", "schedule": {"cron": "0 3 1 * *"}}


def report(**more: Any) -> BacktestReport:
    return backtest(history.deployment(), None, history.history(), **more)


def monitor(name: str, found: BacktestReport) -> MonitorReport:
    return next(one for one in found.monitors if one.name == name)


# ---- alarms and incidents


def test_drift_of_the_inputs_is_seen_three_days_into_the_incident_and_once_for_nothing() -> None:
    inputs = monitor("inputs", report())
    assert [(alarm.raised_at, alarm.fired, alarm.false) for alarm in inputs.alarms] == [
        (at(33) + LAG, 8, False),
        (at(61) + LAG, 1, True),
    ]
    assert [(one.incident, one.seconds) for one in inputs.detections] == [("campaign", 3 * DAY + LAG)]
    assert (inputs.score.windows, inputs.score.judged, inputs.score.fired) == (90, 90, 9)
    assert (inputs.score.alarms, inputs.score.false_alarms, inputs.score.caught, inputs.score.missed) == (2, 1, 1, 0)


def test_a_monitor_of_performance_waits_for_two_windows_whose_labels_are_mature() -> None:
    accuracy = monitor("accuracy", report())
    assert [(alarm.start, alarm.raised_at, alarm.fired) for alarm in accuracy.alarms] == [
        (at(31), at(34) + LAG, 9),
    ]
    assert accuracy.score.median_delay == 4 * DAY + LAG
    assert accuracy.score.false_alarms == 0


def test_an_alarm_ends_with_the_first_quiet_window() -> None:
    first, second = monitor("inputs", report()).alarms
    assert (first.ended_at, second.ended_at) == (at(41) + LAG, at(62) + LAG)


def test_a_number_near_its_threshold_is_one_alarm_for_the_threshold_that_is_tried_as_well() -> None:
    """As live: what has fired lasts until it is well within (docs/monitoring.md)."""
    whole = history.history()
    near = {day: whole.windows[60 if day % 2 else 31].profile for day in range(2, 22)}
    windows = tuple(
        msgspec.structs.replace(one, profile=near.get(day, one.profile)) for day, one in enumerate(whole.windows)
    )
    edited = history.deployment(
        {"name": "inputs", "drift": {"statistic": "KS", "threshold": 0.17, "decision": "Point"}}
    )
    (found,) = backtest(edited, None, replace(whole, windows=windows), thresholds={"inputs": [0.17]}).monitors
    assert [(one.start, one.fired) for one in found.alarms[:2]] == [(at(3), 19), (at(32), 8)]
    assert found.tried[0].score == found.score


def test_an_incident_that_no_monitor_sees_is_missed() -> None:
    quiet_days = Incident(name="fraud", start=history.BEGIN, end=history.BEGIN.replace(day=5))
    found = backtest(history.deployment(), None, history.history(CAMPAIGN, quiet_days))
    assert [(one.incident, one.seconds) for one in monitor("inputs", found).detections][1] == ("fraud", None)
    assert monitor("inputs", found).score.missed == 1


def test_an_incident_of_another_year_is_neither_caught_nor_missed() -> None:
    later = Incident(name="later", start=history.BEGIN.replace(year=2027))
    found = backtest(history.deployment(), None, history.history(later))
    assert monitor("inputs", found).detections == ()


def test_a_gap_in_the_windows_ends_no_alarm() -> None:
    whole = history.history()
    gap = replace(whole, windows=tuple(one for one in whole.windows if one.start != at(35)))
    assert monitor("inputs", backtest(history.deployment(), None, gap)).score.alarms == 2


# ---- thresholds


def test_trying_finds_what_each_threshold_would_have_done() -> None:
    tried = monitor("inputs", report(thresholds={"inputs": [0.05, 0.12, 0.2, 0.27, 0.5]})).tried
    found = {one.threshold: (one.score.fired, one.score.alarms, one.score.false_alarms) for one in tried}
    assert found == {0.05: (11, 2, 1), 0.12: (10, 2, 1), 0.2: (9, 2, 1), 0.27: (8, 1, 0), 0.5: (0, 0, 0)}
    delays = [one.score.median_delay for one in tried]
    assert delays == [DAY + LAG, 2 * DAY + LAG, 3 * DAY + LAG, 3 * DAY + LAG, None]
    assert [one.features["age"] for one in tried] == [11, 10, 9, 8, 0]


def test_trying_of_a_minimum_fires_from_below() -> None:
    tried = monitor("accuracy", report(thresholds={"accuracy": [0.84, 0.88, 0.93]})).tried
    assert [one.score.fired for one in tried][:2] == [0, 9]
    assert tried[2].score.fired > 40


@pytest.mark.parametrize("threshold", [0.05, 0.12, 0.2, 0.27])
def test_trying_agrees_with_a_monitor_that_has_the_threshold(threshold: float) -> None:
    edited = history.deployment(
        {"name": "inputs", "drift": {"statistic": "KS", "threshold": threshold, "decision": "Point"}}
    )
    (alone,) = backtest(edited, None, history.history()).monitors
    (tried,) = monitor("inputs", report(thresholds={"inputs": [threshold]})).tried
    assert tried.score == alone.score


def test_thresholds_are_chosen_where_none_are_named() -> None:
    tried = monitor("inputs", report(thresholds={"inputs": []})).tried
    assert len(tried) == 20
    assert tried[0].score.fired == 10
    assert tried[-1].score.fired == 0


# ---- runs


def test_a_calendar_alone_answers_the_incident_with_the_next_date() -> None:
    found = backtest(history.deployment(), history.policy(MONTHLY), history.history(), cost_of_run=12.0)
    assert [run.at for run in found.runs] == [at(0) + 3 * 3600, at(31) + 3 * 3600, at(59) + 3 * 3600]
    assert found.cost == 36.0
    assert found.responses == (Response(incident="campaign", seconds=DAY + 3 * 3600),)


def test_what_is_due_within_the_cooldown_is_one_run_at_its_end() -> None:
    daily = {"name": "daily", "schedule": {"cron": "0 3 * * *"}}
    found = backtest(history.deployment(), history.policy(daily, budget={"cooldown": "30d"}), history.history())
    assert [run.at for run in found.runs] == [at(0) + 3 * 3600, at(30) + 3 * 3600, at(60) + 3 * 3600]


DRIFTED = {"name": "drifted", "monitors": {"names": ["inputs"], "windows": 2}}


def test_drift_goes_before_the_calendar_and_the_calendar_stays_a_floor() -> None:
    found = backtest(history.deployment(), history.policy(MONTHLY, DRIFTED), history.history())
    # Fired in the windows of days 32 to 39: in two of them after day 33, and in two more two days later.
    drifted = [(at(day) + LAG, ("drifted",)) for day in (34, 36, 38, 40)]
    monthly = [(at(day) + 3 * 3600, ("monthly",)) for day in (0, 31, 59)]
    assert [(run.at, run.triggers) for run in found.runs] == sorted(drifted + monthly)


def test_one_window_that_fires_is_no_row_of_two() -> None:
    found = backtest(history.deployment(), history.policy(DRIFTED), history.history())
    assert all(run.at < at(history.FALSE_ALARM_DAY) for run in found.runs)


def test_a_trigger_of_its_own_cooldown_lets_others_pass() -> None:
    cooled = {**DRIFTED, "cooldown": "30d"}
    found = backtest(history.deployment(), history.policy(MONTHLY, cooled), history.history())
    assert [run.triggers for run in found.runs] == [("monthly",), ("monthly",), ("drifted",), ("monthly",)]


def test_what_no_longer_fires_when_the_cooldown_ends_starts_no_run() -> None:
    found = backtest(history.deployment(), history.policy(DRIFTED, budget={"cooldown": "20d"}), history.history())
    assert [run.at for run in found.runs] == [at(34) + LAG]


def test_a_budget_of_runs_is_kept() -> None:
    daily = {"name": "daily", "schedule": {"cron": "0 3 * * *"}}
    budget = {"maxRuns": 3, "period": "30d"}
    found = backtest(history.deployment(), history.policy(daily, budget=budget), history.history())
    assert [run.at for run in found.runs] == [at(day) + 3 * 3600 for day in (0, 1, 2, 30, 31, 32, 60, 61, 62)]


def test_a_trigger_of_a_monitor_that_is_not_there_names_those_that_are() -> None:
    absent = {"name": "drifted", "monitors": {"names": ["input"]}}
    with pytest.raises(UnusableHistory, match="trigger drifted: there is no monitor input; there are inputs, accuracy"):
        backtest(history.deployment(), history.policy(absent), history.history())


def test_a_suspended_policy_starts_no_run() -> None:
    found = backtest(history.deployment(), history.policy(MONTHLY, suspend=True), history.history())
    assert found.runs == ()
    assert found.responses == (Response(incident="campaign", seconds=None),)


# ---- what cannot be replayed


@pytest.mark.parametrize(
    ("windows", "advice"),
    [
        ((), "export some"),
        (history.stored_windows(), "set the window to the length of the stored ones"),
    ],
)
def test_windows_that_do_not_fit_are_refused_with_what_to_do(windows: Any, advice: str) -> None:
    hourly = history.deployment(history.MONITORS[0], window="1h")
    with pytest.raises(UnusableHistory, match=advice):
        backtest(hourly, None, History(windows=windows))


def test_trying_of_a_monitor_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(UnusableHistory, match="there is no monitor input; there are inputs, accuracy"):
        report(thresholds={"input": []})


def test_without_a_reference_profile_drift_is_not_judged_and_the_sentence_says_why() -> None:
    bare = replace(history.history(), references={})
    found = monitor("inputs", backtest(history.deployment(), None, bare))
    assert (found.score.judged, found.alarms) == (0, ())


# ---- cadence


def second_version() -> History:
    whole = history.history()
    return replace(whole, windows=tuple(one for one in whole.windows if one.revision == "r2"))


def test_the_interval_is_the_square_root_of_twice_the_cost_by_decay_and_value() -> None:
    decay = decay_rate(second_version(), PerformanceMetric.ACCURACY)
    assert decay is not None
    assert (decay.windows, decay.versions) == (45, 1)
    assert decay.per_day == pytest.approx(0.001)
    advice = advise(decay, cost_of_run=50.0, value_of_point=1000.0)
    assert advice.days == pytest.approx(10.0)  # sqrt(2 x 50 / (0.001 x 1000))
    assert advice.cost_per_day == pytest.approx(10.0)
    assert "every 10 days" in advice.sentence
    assert "0.001 of accuracy a day" in advice.sentence


def test_four_times_the_cost_doubles_the_interval() -> None:
    decay = decay_rate(second_version(), PerformanceMetric.ACCURACY)
    assert advise(decay, 200.0, 1000.0).days == pytest.approx(20.0)


def test_without_decay_beyond_chance_there_is_no_interval() -> None:
    steady = replace(history.history(), windows=history.stored_windows()[:30])
    advice = advise(decay_rate(steady, PerformanceMetric.ACCURACY), 50.0, 1000.0)
    assert advice.days is None
    assert "which chance explains" in advice.sentence


def test_a_metric_that_the_windows_do_not_show_gives_no_interval() -> None:
    advice = advise(decay_rate(second_version(), PerformanceMetric.AUC), 50.0, 1000.0)
    assert advice.days is None
    assert "its decay is not known" in advice.sentence

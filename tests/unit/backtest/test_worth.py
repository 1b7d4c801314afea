"""Costs beside changes, before and after, and the estimate: each figure as it is by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support import history
from tests.support.history import DAY, LAG
from viridian.api.automation import Budget
from viridian.api.performance import PerformanceMetric
from viridian.api.retrainpolicy_status import FinishedRun
from viridian.backtest.before_after import NothingToCompare, before_after
from viridian.backtest.cost_estimate import DeclaredCosts, estimate
from viridian.backtest.review_figures import ReviewFigures, review_figures
from viridian.backtest.run_values import run_values

PRICED = Budget(price=0.5, spot_price=0.1)
NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def figures() -> ReviewFigures:
    return review_figures(history.deployment(), history.history(), PerformanceMetric.ACCURACY)


# ---- runs


def test_the_cost_of_a_run_stands_beside_the_change_that_it_brought(figures: ReviewFigures) -> None:
    second = FinishedRun(
        id="b",
        outcome="HandedOver",
        version="2",
        cpu_seconds=7200,
        spot_cpu_seconds=3600,
        metrics={"accuracy": 0.93, "champion.accuracy": 0.90},
    )
    first = FinishedRun(id="a", outcome="HandedOver", version="1", cpu_seconds=3600, metrics={"accuracy": 0.90})
    newest, oldest = run_values((second, first), PRICED, "accuracy", figures.versions)
    assert newest.cpu_hours == 2.0
    assert newest.cost == pytest.approx(1 * 0.5 + 1 * 0.1)
    assert newest.offline == pytest.approx(0.03)
    assert newest.online == pytest.approx((0.95 - 0.022) - (35 * 0.90 + 10 * 0.85) / 45)
    assert (oldest.cost, oldest.offline, oldest.online) == (0.5, None, None)


@pytest.mark.parametrize(
    ("sentence", "run", "budget", "expected"),
    [
        ("less of an error is a gain", {"metrics": {"fpr": 0.08, "champion.fpr": 0.10}}, PRICED, (None, 0.02, None)),
        ("what was rejected changed nothing on outcomes", {"outcome": "Rejected", "version": "2"}, PRICED,
         (None, None, None)),
        ("hours that are not known cost nobody knows what", {}, PRICED, (None, None, None)),
        ("hours without a price", {"cpu_seconds": 3600}, Budget(), (None, None, None)),
        ("spot nodes without a price of their own", {"cpu_seconds": 3600, "spot_cpu_seconds": 1800},
         Budget(price=2), (2.0, None, None)),
    ],
)  # fmt: skip
def test_what_is_not_known_of_a_run_is_left_out(
    sentence: str,
    run: dict[str, Any],
    budget: Budget,
    expected: tuple[float | None, ...],
    figures: ReviewFigures,
) -> None:
    whole = {"id": "a", "outcome": "HandedOver", **run}
    (found,) = run_values((FinishedRun(**whole),), budget, "fpr", figures.versions)
    assert (found.cost, found.offline, found.online) == pytest.approx(expected), sentence


# ---- before and after


def test_before_and_after_the_loop_was_closed(figures: ReviewFigures) -> None:
    found = before_after(figures, history.at(45), cost_of_runs=90, effort=230, value_of_point=1000)
    before, after = found.before, found.after
    assert (before.days, before.breach_seconds, before.incidents) == (45, 9 * DAY, 1)
    assert (after.days, after.breach_seconds, after.incidents) == (45, 1 * DAY, 0)
    assert (before.lost_per_day, after.lost_per_day) == pytest.approx((9 * 0.05 / 45, 0.015 / 45))
    assert (before.seconds_to_recover, after.seconds_to_recover) == (11 * DAY + LAG, None)
    assert found.saved_per_day == pytest.approx(1000 * (0.01 - 0.015 / 45))
    assert found.runs_per_day == 2
    assert found.payback_days == pytest.approx(30)
    assert found.sentence == (
        "9.667 a day saved, 2 a day for runs: the effort of 230 has paid after 30 days, at 7.667 a day."
    )


def test_an_effort_that_saves_less_than_its_runs_cost_never_pays(figures: ReviewFigures) -> None:
    found = before_after(figures, history.at(45), cost_of_runs=450, effort=230, value_of_point=1000)
    assert found.payback_days is None
    assert found.sentence == "9.667 a day saved, 10 a day for runs: the effort of 230 does not pay."


def test_without_the_worth_of_a_point_there_is_no_account_in_money(figures: ReviewFigures) -> None:
    found = before_after(figures, history.at(45), cost_of_runs=90, effort=230)
    assert (found.saved_per_day, found.payback_days) == (None, None)
    assert "there is no account in money" in found.sentence


@pytest.mark.parametrize("day", [-1, 0, 90, 200])
def test_a_time_without_windows_on_both_sides_is_no_comparison(figures: ReviewFigures, day: int) -> None:
    with pytest.raises(NothingToCompare, match="outside of the stored windows"):
        before_after(figures, history.at(day))


# ---- the estimate

DAILY = {"name": "daily", "schedule": {"cron": "0 3 * * *"}}
RUNS = (
    FinishedRun(id="d", outcome="Rejected", reasons=("monitors:drifted:1",), started_at="2026-11-25T00:00:00Z",
                cpu_seconds=7200, spot_cpu_seconds=7200),
    FinishedRun(id="c", outcome="Failed", reasons=("schedule:daily:x",), started_at="2026-11-20T00:00:00Z",
                cpu_seconds=600_000),
    FinishedRun(id="b", outcome="HandedOver", reasons=("manual:x",), started_at="2026-11-10T00:00:00Z",
                cpu_seconds=3600),
    FinishedRun(id="a", outcome="Skipped", reasons=("schedule:daily:y",), started_at="2026-11-01T00:00:00Z"),
)  # fmt: skip


def test_the_estimate_is_that_of_a_pencil() -> None:
    budget = {"period": "30d", "maxRuns": 20, "cpuHours": 25, "price": 0.5, "spotPrice": 0.1}
    declared = DeclaredCosts(monitoring_cpu_hours=10, engineering_hours=6, hourly_rate=80)
    found = estimate(history.policy(DAILY, budget=budget), RUNS, NOW, declared)
    assert (found.scheduled_runs, found.other_runs, found.runs) == pytest.approx((30, 2.0, 20))
    assert found.cpu_hours_of_run == 1.5  # of those that made a candidate: 2 hours on spot nodes, and 1 hour
    assert found.cpu_hours == 20 * 1.5 + 10
    assert found.cost == pytest.approx(20 * 0.5 + 20 * 0.1)
    assert found.engineering == 480
    assert found.total == pytest.approx(492)
    assert found.findings == (
        "triggers ask for 32 runs in 30d, and budget.maxRuns is 20",
        "these runs take 30 CPU-hours in 30d, and budget.cpuHours is 25",
    )


@pytest.mark.parametrize(
    ("sentence", "triggers", "more", "scheduled"),
    [
        ("a cooldown joins what it holds back", [DAILY], {"budget": {"cooldown": "7d"}}, 5),
        ("two schedules", [DAILY, {"name": "weekly", "schedule": {"cron": "0 5 * * 0"}}], {}, 34),
        ("a policy that is suspended", [DAILY], {"suspend": True}, 0),
        ("no schedule", [{"name": "fresh", "newData": {}}], {}, 0),
        ("another period", [DAILY], {"budget": {"period": "7d"}}, 7),
    ],
)
def test_how_many_runs_schedules_start(
    sentence: str, triggers: list[dict[str, Any]], more: dict[str, Any], scheduled: int
) -> None:
    found = estimate(history.policy(*triggers, **more), (), NOW, DeclaredCosts())
    assert found.scheduled_runs == found.runs == scheduled, sentence


def test_without_a_run_the_number_of_runs_is_all_that_is_known() -> None:
    found = estimate(history.policy(DAILY), (), NOW, DeclaredCosts())
    assert (found.cpu_hours_of_run, found.cpu_hours, found.cost, found.total) == (None, None, None, None)
    assert found.findings == (
        "no run has made a candidate yet, so what a run takes is not known",
        "without budget.price there is no cost",
    )

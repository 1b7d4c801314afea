"""What runs may cost: how many of them in a period, and how many CPU-hours; and what is left of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.retraining.test_what_starts_a_run import finish
from tests.unit.retraining.world import (
    World,
    begin,
    daily,
    reasons_of,
)
from viridian.retraining.stages.cpu_time import cpu_seconds

EVERY_DAY = daily()
"""At 03:00; the worlds of these tests begin on 20 November at noon."""


def day(number: int, time: str = "03:00:05") -> str:
    return f"2026-11-{number:02d}T{time}Z"


def run_on(world: World, number: int) -> World:
    world.at(day(number)).settle()
    return finish(world)


def run_of(world: World, *, cpus: str, hours: float) -> World:
    """The newest Job trained so long with so many CPUs."""
    world.job["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpus}}
    world.train(auc=0.9)
    name = world.made[-1]
    began, end = world.now, world.now.replace(hour=world.now.hour + int(hours), minute=int(hours % 1 * 60))
    terminated = world.pods[name][0]["status"]["containerStatuses"][0]["state"]["terminated"]
    terminated |= {"startedAt": began.isoformat(), "finishedAt": end.isoformat()}
    world.settle()
    return world


def test_with_a_limit_of_four_the_fifth_run_is_refused_and_says_until_when() -> None:
    world = begin(EVERY_DAY, budget={"maxRuns": 4, "period": "7d"})
    for number in (21, 22, 23, 24):
        run_on(world, number)
    assert world.status["budget"] == {"runs": 4, "runsLeft": 0, "cpuHours": 0.0, "spotCpuHours": 0.0,
                                      "resetsAt": day(28)}  # fmt: skip
    world.at(day(25)).settle()
    assert len(world.made) == 4
    assert world.condition("BudgetExceeded") == ("True", "BudgetExceeded")
    message = world.message("BudgetExceeded")
    assert message.startswith(f"4 of 4 runs of 7d have begun; the next one may begin at {day(28)}")
    assert "raise spec.budget.maxRuns, or start one with the annotation viridian.dev/run" in message
    assert world.condition("Paused") == ("True", "BudgetExceeded")
    assert world.condition("Ready") == ("True", "Waiting")
    assert f"schedule:daily:{day(25, '03:00:00')} waits: {message}" in world.message("Ready")
    assert world.told.count("BudgetExceeded") == 1
    assert world.status["nextScheduled"] == day(28), "the newest that was held back, as soon as it may begin"


def test_what_the_budget_held_back_comes_back_exactly_once() -> None:
    world = begin(EVERY_DAY, budget={"maxRuns": 2, "period": "7d"})
    run_on(world, 21)
    run_on(world, 22)
    for number in range(23, 28):
        world.at(day(number)).settle()
    plan = world.settle()
    assert plan.wake is not None
    assert plan.wake.isoformat() == "2026-11-28T03:00:05+00:00", "when the first run leaves the period"
    world.now = plan.wake
    world.settle()
    finish(world)
    assert reasons_of(world)[2:] == [[f"schedule:daily:{day(28, '03:00:00')}"]]
    assert world.condition("BudgetExceeded") == ("True", "BudgetExceeded"), "the runs of 22 and 28 November"
    world.at(day(28, "12:00:00")).settle()
    assert len(world.made) == 3


def test_a_time_that_was_held_back_keeps_its_deadline_from_the_end_of_the_hold() -> None:
    world = begin(EVERY_DAY, budget={"maxRuns": 1, "period": "36h"})
    run_on(world, 21)
    world.at(day(22)).settle()
    assert len(world.made) == 1
    world.at(day(22, "15:30:00")).settle()
    assert reasons_of(world)[1:] == [[f"schedule:daily:{day(22, '03:00:00')}"]], "half an hour after the hold"


def test_a_person_is_not_held_back_by_the_budget_but_counts() -> None:
    world = begin(EVERY_DAY, budget={"maxRuns": 1, "period": "7d"})
    run_on(world, 21)
    world.ask_by_hand("now").settle()
    finish(world)
    assert len(world.made) == 2
    assert world.status["budget"]["runs"] == 2
    assert world.status["budget"]["runsLeft"] == 0


def test_records_that_the_budget_counts_outlive_the_history() -> None:
    world = begin(EVERY_DAY, budget={"maxRuns": 4, "period": "7d"}, history={"runs": 1})
    for number in (21, 22, 23, 24):
        run_on(world, number)
    world.forget_status().settle()
    assert world.status["budget"]["runs"] == 4
    world.edit(budget={}).settle()
    assert len(world.runs) == 1


def test_cpu_hours_are_counted_and_hold_back_the_next_run() -> None:
    world = begin(EVERY_DAY, budget={"cpuHours": 10, "period": "7d", "price": 0.5, "spotPrice": 0.1})
    world.at(day(21)).settle()
    run_of(world, cpus="4", hours=2)
    assert world.last_run["cpuSeconds"] == 8 * 3600
    assert world.status["budget"] == {"runs": 1, "runsLeft": 199, "cpuHours": 8.0, "spotCpuHours": 0.0,
                                      "cpuHoursLeft": 2.0, "cost": 4.0, "resetsAt": day(28)}  # fmt: skip
    world.at(day(22)).settle()
    run_of(world, cpus="500m", hours=5)
    assert world.status["budget"]["cpuHoursLeft"] == 0.0
    world.at(day(23)).settle()
    assert len(world.made) == 2
    assert "the runs of 7d took all of 10 CPU-hours; the next one may begin at 2026-11-28" in world.message("Paused")
    world.edit(budget={"cpuHours": 11, "period": "7d"}).settle()
    assert len(world.made) == 3


def test_a_price_alone_shows_the_cost() -> None:
    world = begin(EVERY_DAY, budget={"price": 2})
    world.at(day(21)).settle()
    run_of(world, cpus="1", hours=3)
    assert world.status["budget"]["cost"] == 6.0
    assert "runsLeft" not in world.status["budget"]
    assert "budget" not in begin(EVERY_DAY).status


def pod(resources: Any, began: str = "2026-11-20T10:00:00Z", end: str = "2026-11-20T10:01:00Z") -> dict[str, Any]:
    terminated = {"exitCode": 0, "startedAt": began, "finishedAt": end}
    return {
        "spec": {"containers": [{"name": "train", "resources": resources}]},
        "status": {"containerStatuses": [{"name": "train", "state": {"terminated": terminated}}]},
    }


@pytest.mark.parametrize(
    ("sentence", "pods", "seconds"),
    [
        ("its request", [pod({"requests": {"cpu": "250m"}, "limits": {"cpu": "4"}})], 15),
        ("its limit, without a request", [pod({"limits": {"cpu": 2}})], 120),
        ("one CPU, without either", [pod(None)], 60),
        ("a text that is no quantity", [pod({"requests": {"cpu": "many"}})], 60),
        ("all attempts", [pod({"requests": {"cpu": "1"}}), pod({"requests": {"cpu": "0.5"}})], 90),
        ("a clock that went back", [pod({}, "2026-11-20T10:01:00Z", "2026-11-20T10:00:00Z")], 0),
        ("no pods", [], 0),
        ("one that runs", [{"status": {"containerStatuses": [{"name": "train", "state": {"running": {}}}]}}], 0),
        ("an init container", [{"status": {"initContainerStatuses": [{"name": "mesh", "state": {"terminated": {
            "startedAt": "2026-11-20T10:00:00Z", "finishedAt": "2026-11-20T10:00:30Z"}}}]}}], 30),
    ],
)  # fmt: skip
def test_the_cpu_time_of_pods(sentence: str, pods: list[Any], seconds: float) -> None:
    assert cpu_seconds(pods) == seconds, sentence


def test_hours_on_spot_nodes_have_a_price_of_their_own() -> None:
    world = begin(EVERY_DAY, budget={"price": 0.5, "spotPrice": 0.1})
    world.policy["spec"]["stages"]["training"]["spot"] = True
    world.at(day(21)).settle()
    run_of(world, cpus="2", hours=5)
    world.policy["spec"]["stages"]["training"]["spot"] = False
    world.at(day(22)).settle()
    run_of(world, cpus="1", hours=2)
    budget = world.status["budget"]
    assert (budget["cpuHours"], budget["spotCpuHours"], budget["cost"]) == (12.0, 10.0, 2.0)

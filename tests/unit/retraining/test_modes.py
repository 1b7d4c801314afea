"""What the operator does by itself, what it only recommends, and what waits for an approval."""

from __future__ import annotations

import json

import pytest

from tests.unit.retraining.test_what_starts_a_run import finish
from tests.unit.retraining.world import (
    World,
    begin,
    daily,
    policy,
    reasons_of,
    through,
)
from viridian.api.registry import TAG_COMMANDS

DAY = "2026-11-21T03:00:05Z"
CAUSE = "schedule:daily:2026-11-21T03:00:00Z"
APPROVED = {"training": "Required"}


def write(world: World, **commands: str) -> World:
    world.policy["metadata"]["annotations"] |= {f"viridian.dev/{name}": value for name, value in commands.items()}
    return world


def recommended(world: World) -> str:
    return str(world.status["recommended"]["run"])


# ---- Observe


def test_observe_writes_nothing_but_status_and_events_and_shows_what_would_begin() -> None:
    world = begin(daily(), mode="Observe")
    world.at(DAY).ask_by_hand("now").settle()
    assert world.made == []
    assert world.records == {}
    assert world.registry.writes == []
    assert all(plan.actions == () for plan in world.plans)
    assert world.status["recommended"] == {
        "run": recommended(world), "reasons": [CAUSE, "manual:now"], "stages": ["training"],
    }  # fmt: skip
    assert world.condition("Ready") == ("True", "Observing")
    assert f"run {recommended(world)} would begin: {CAUSE}, manual:now" in world.message("Ready")
    assert world.condition("Paused") == ("True", "Observing")


def test_observe_leaves_a_run_that_is_under_way_as_it_is() -> None:
    world = begin(daily())
    world.at(DAY).settle()
    world.edit(mode="Observe").settle()
    before = json.dumps([world.records, world.jobs])
    world.train(auc=0.9).later(hours=1)
    jobs = json.dumps(world.jobs)
    plan = world.settle()
    assert plan.actions == ()
    assert json.dumps(world.records) in before
    assert json.dumps(world.jobs) == jobs
    assert "activeRun" in world.status
    world.edit(mode="Automatic").settle()
    assert world.last_run["outcome"] == "HandedOver"


# ---- Recommend


def test_a_recommendation_waits_and_is_carried_out_once_when_it_is_accepted() -> None:
    world = begin(daily(), mode="Recommend")
    world.at(DAY).settle()
    assert world.made == []
    run = recommended(world)
    assert world.condition("Ready") == ("True", "Recommended")
    assert f"run {run} waits for a person: {CAUSE}" in world.message("Ready")
    assert f"viridian.dev/accept={run} starts it, and viridian.dev/reject={run} dismisses it" in world.message("Ready")
    world.at("2026-11-21T20:00:00Z").settle()
    assert recommended(world) == run, "it waits as long as it takes"
    write(world, accept=f"{run} looks right#alice").settle()
    finish(world)
    assert world.last_run["id"] == run
    assert world.last_run["commands"] == [f"viridian.dev/accept={run} looks right#alice"]
    assert json.loads(world.registry.runs()[0].tags[TAG_COMMANDS]) == {
        "viridian.dev/accept": f"{run} looks right#alice"
    }
    world.forget_status().settle()
    world.at("2026-11-21T23:00:00Z").settle()
    assert len(world.made) == 1
    assert "recommended" not in world.status


@pytest.mark.parametrize("value", ["", "another", "{run}1", "#alice"])
def test_what_names_another_run_accepts_nothing(value: str) -> None:
    world = begin(daily(), mode="Recommend")
    world.at(DAY).settle()
    write(world, accept=value.format(run=recommended(world))).settle()
    assert world.made == []


def test_an_acceptance_never_starts_a_later_recommendation() -> None:
    world = begin(daily(), mode="Recommend")
    world.at(DAY).settle()
    first = recommended(world)
    world.at("2026-11-22T03:00:05Z").settle()
    assert recommended(world) != first
    write(world, accept=first).settle()
    assert world.made == []


def test_a_run_that_was_accepted_goes_on_after_later_edits() -> None:
    world = begin(daily(), mode="Recommend")
    world.registry.unavailable = True
    world.at(DAY).settle()
    write(world, accept=recommended(world)).settle()
    world.edit(triggers=[daily("other", hour=5)], mode="Automatic").settle()
    world.registry.unavailable = False
    world.settle()
    assert reasons_of(world) == [[CAUSE]]
    assert len(world.made) == 1


def test_a_recommendation_that_is_rejected_is_answered() -> None:
    world = begin(daily(), mode="Recommend")
    world.at(DAY).settle()
    run = recommended(world)
    write(world, reject=f"{run} the campaign is still on#alice").settle()
    assert world.made == []
    assert world.last_run["outcome"] == "Cancelled"
    assert world.last_run["message"] == "it was rejected by alice: the campaign is still on, before it began"
    assert world.told.count("RunCancelled") == 1
    assert "recommended" not in world.status
    world.at("2026-11-22T03:00:05Z").settle()
    assert recommended(world) != run


def test_a_person_who_asks_for_a_run_has_accepted_it() -> None:
    world = begin(daily(), mode="Recommend")
    world.at(DAY).ask_by_hand("now").settle()
    assert reasons_of(world) == [[CAUSE, "manual:now"]]


def test_a_bound_that_holds_triggers_back_is_not_lifted_by_an_acceptance() -> None:
    world = begin(daily(), mode="Recommend", budget={"maxRuns": 1, "period": "7d"})
    world.at(DAY).settle()
    write(world, accept=recommended(world)).settle()
    finish(world)
    world.at("2026-11-22T03:00:05Z").settle()
    assert "recommended" not in world.status
    assert world.condition("Paused") == ("True", "BudgetExceeded")


# ---- approval before training


@pytest.mark.parametrize("by_hand", [False, True])
def test_no_run_begins_without_an_approval_with_a_name(by_hand: bool) -> None:
    world = begin(daily(), approval=APPROVED)
    (world.ask_by_hand("now") if by_hand else world.at(DAY)).settle()
    run = recommended(world)
    assert world.condition("ReviewRequired") == ("True", "AwaitingApproval")
    assert f"The annotation viridian.dev/approve={run}#<your user name> starts it" in world.message("ReviewRequired")
    assert world.told.count("ReviewRequired") == 1
    write(world, approve=run, accept=run).settle()
    assert world.made == [], "neither without a name, nor by another command"
    write(world, approve=f"{run}#bob").settle()
    finish(world)
    assert world.last_run["commands"] == [f"viridian.dev/approve={run}#bob"]
    assert world.condition("ReviewRequired") == ("", "")


def test_the_newest_cause_waits_for_an_approval_and_no_older_one_blocks_it() -> None:
    world = begin(daily(), approval=APPROVED)
    for day in (21, 22, 23):
        world.at(f"2026-11-{day}T03:00:05Z").settle()
    write(world, approve=f"{recommended(world)}#bob").settle()
    assert reasons_of(world) == [["schedule:daily:2026-11-23T03:00:00Z"]]


def test_a_rejection_counts_before_an_approval() -> None:
    world = begin(daily(), approval=APPROVED)
    world.at(DAY).settle()
    run = recommended(world)
    write(world, approve=f"{run}#bob", reject=f"{run}#alice").settle()
    assert world.made == []
    assert world.last_run["outcome"] == "Cancelled"


def test_what_was_rejected_takes_nothing_of_the_budget() -> None:
    world = begin(daily(), approval=APPROVED, budget={"maxRuns": 1, "period": "7d"})
    world.at(DAY).settle()
    write(world, reject=recommended(world)).settle()
    assert world.status["budget"]["runs"] == 0


# ---- killed at any write


def accepted_run(world: World) -> None:
    through(world)
    world.at(DAY)
    through(world)
    write(world, accept=recommended(world))
    through(world)
    world.train(auc=0.9)
    through(world)


def rejected_recommendation(world: World) -> None:
    through(world)
    world.at(DAY)
    through(world)
    write(world, reject=recommended(world))
    through(world)


@pytest.mark.parametrize("scenario", [accepted_run, rejected_recommendation])
@pytest.mark.parametrize("annotations_stay", [True, False], ids=["the command stays", "the command is removed"])
def test_a_command_is_carried_out_exactly_once_wherever_the_operator_is_killed(
    scenario: object, annotations_stay: bool
) -> None:
    assert callable(scenario)
    expected = World(policy=policy(daily(), mode="Recommend"))
    scenario(expected)
    for k in range(1, expected.writes + 1):
        world = World(policy=policy(daily(), mode="Recommend"), writes_left=k)
        if not annotations_stay:
            world.on_kill = lambda one=world: forget_commands(one)
        scenario(world)
        assert [run["outcome"] for run in world.outcomes().values()] == [
            run["outcome"] for run in expected.outcomes().values()
        ]
        assert world.made == expected.made, f"killed after write {k}"


def forget_commands(world: World) -> None:
    """Once its record is there, the command is not needed any more."""
    if world.runs:
        world.policy["metadata"]["annotations"].clear()

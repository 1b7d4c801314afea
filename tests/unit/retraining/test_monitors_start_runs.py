"""Monitors of the ModelDeployment start runs: which, when, how often, and with which evidence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.retraining.world import (
    World,
    policy,
    reasons_of,
)

DRIFTED = {"name": "drifted", "monitors": {"names": ["age-shift", "inputs"]}}
QUARTERLY = {"name": "quarterly", "schedule": {"cron": "0 3 18 2 *"}}


def drifted(windows: int = 1, **more: Any) -> dict[str, Any]:
    return {"name": "drifted", "monitors": {"names": ["age-shift", "inputs"], "windows": windows}, **more}


def begin(*triggers: dict[str, Any], **spec: Any) -> World:
    world = World(policy=policy(*triggers, **spec))
    world.watch({"name": "age-shift"}, {"name": "inputs"}, {"name": "other"}).settle()
    world.at("2026-11-20T14:01:00Z")
    return world


def finish(world: World, auc: float = 0.1) -> World:
    """The run ends; with so little the candidate is rejected, and the champion stays."""
    world.train(auc=auc).settle()
    return world


GATE = {"gate": {"metrics": [{"name": "auc", "min": 0.75}]}}


def test_drift_now_starts_a_run_within_one_pass_though_the_schedule_is_due_in_90_days() -> None:
    """R10: the schedule is a floor that drift pre-empts."""
    world = begin(drifted(), QUARTERLY)
    assert world.status["nextScheduled"] == "2027-02-18T03:00:00Z"
    world.fire("age-shift").once()
    assert world.status["activeRun"]["reasons"] == ["monitors:drifted:2026-11-20T14:00:00Z"]
    world.settle()
    assert len(world.made) == 1


def test_a_run_gets_the_features_numbers_and_window_that_caused_it_and_so_does_its_record() -> None:
    """R26."""
    world = begin(drifted(2)).fire("age-shift", windows=2, value=0.41, threshold=0.2)
    world.settle()
    (reason,) = world.reasons
    assert reason == {
        "source": "monitors",
        "trigger": "drifted",
        "at": "2026-11-20T14:00:00Z",
        "evidence": {
            "revision": "r1",
            "monitors": [
                {
                    "name": "age-shift",
                    "message": "age-shift has moved",
                    "windows": 2,
                    "window": {"start": "2026-11-20T13:00:00Z", "end": "2026-11-20T14:00:00Z"},
                    "figures": [
                        {
                            "measure": "KS",
                            "verdict": "Fired",
                            "feature": "age",
                            "value": 0.41,
                            "threshold": 0.2,
                            "samples": 0,
                            "referenceSamples": 0,
                        }
                    ],
                }
            ],
        },
    }
    (record,) = world.runs
    assert record["data"]["causes"][0]["evidence"] == reason["evidence"]


@pytest.mark.parametrize(
    ("sentence", "windows", "fired", "runs"),
    [
        ("one of the named ones", 1, {"inputs": 1}, 1),
        ("one that is not named", 1, {"other": 7}, 0),
        ("not often enough", 3, {"inputs": 2}, 0),
        ("not often enough, each of two", 2, {"inputs": 1, "age-shift": 1}, 0),
        ("often enough", 3, {"inputs": 3}, 1),
        ("more often", 3, {"inputs": 5}, 1),
    ],
)
def test_which_monitors_and_how_many_windows(sentence: str, windows: int, fired: dict[str, int], runs: int) -> None:
    """R8."""
    world = begin(drifted(windows))
    for name, row in fired.items():
        world.fire(name, windows=row).settle()
    assert len(world.made) == runs, sentence


def test_the_same_breach_is_one_run_and_one_that_goes_on_is_another_only_on_later_windows() -> None:
    world = begin(drifted(2), **GATE).fire("inputs", windows=2)
    for minutes in range(3):
        world.later(minutes=minutes).settle()
    assert len(world.made) == 1
    world.at("2026-11-20T15:01:00Z").fire("inputs", windows=3).settle()
    finish(world.at("2026-11-20T15:30:00Z"))
    assert len(world.made) == 1, "the window of 15:00 ended before the run did"
    world.at("2026-11-20T16:01:00Z").fire("inputs", windows=4).settle()
    assert len(world.made) == 1, "one window after the run"
    world.at("2026-11-20T17:01:00Z").fire("inputs", windows=5).settle()
    assert reasons_of(world)[1:] == [["monitors:drifted:2026-11-20T17:00:00Z"]]


def test_a_cooldown_of_the_trigger_holds_back_that_trigger_alone() -> None:
    hourly = {"name": "hourly", "schedule": {"cron": "30 * * * *"}}
    world = begin(drifted(cooldown="1d"), **GATE).fire("inputs")
    world.settle()
    finish(world)
    world.edit(triggers=[drifted(cooldown="1d"), hourly]).at("2026-11-20T15:01:00Z").fire("inputs", windows=2).settle()
    assert len(world.made) == 1
    (found,) = (trigger for trigger in world.status["triggers"] if trigger["name"] == "drifted")
    assert found["suppressed"]["reason"] == "Cooldown"
    assert "the trigger's own cooldown holds it back until 2026-11-21T14:01:00Z" in world.message("Ready")
    plan = world.at("2026-11-20T15:02:00Z").settle()
    assert plan.wake is not None
    world.at("2026-11-20T15:30:00Z").settle()
    assert reasons_of(world)[1:] == [["schedule:hourly:2026-11-20T15:30:00Z", "monitors:drifted:2026-11-20T15:00:00Z"]]


def test_what_waits_for_its_cooldown_starts_a_run_at_its_end_though_nothing_else_happens() -> None:
    world = begin(drifted(cooldown="1d"), **GATE).fire("inputs")
    world.settle()
    finish(world)
    plan = world.at("2026-11-20T15:01:00Z").fire("inputs", windows=2).settle()
    assert plan.wake is not None
    assert plan.wake.isoformat() == "2026-11-21T14:01:00+00:00"
    world.at("2026-11-21T14:01:00Z").settle()
    assert reasons_of(world)[1:] == [["monitors:drifted:2026-11-20T15:00:00Z"]]


def test_a_cause_that_came_while_automation_was_paused_comes_back_exactly_once() -> None:
    """Though the monitor has been quiet for a while by then, and the operator has died meanwhile."""
    world = begin(drifted(), suspend=True).fire("inputs")
    world.settle()
    world.at("2026-11-20T15:01:00Z").fire("inputs", windows=2).settle()
    world.at("2026-11-20T16:01:00Z").fire().forget_status().settle()
    assert world.made == []
    world.at("2026-11-21T09:00:00Z").edit(suspend=False).settle()
    assert reasons_of(world) == [["monitors:drifted:2026-11-20T14:00:00Z"]]
    finish(world)
    for _ in range(3):
        world.later(hours=5).forget_status().settle()
    assert len(world.made) == 1


def test_what_was_found_of_a_former_champion_is_void() -> None:
    world = begin(drifted(), suspend=True).fire("inputs")
    world.settle()
    assert world.deployment is not None
    world.deployment["status"]["champion"]["revision"] = "r2"
    world.edit(suspend=False).settle()
    assert world.made == []
    world.fire("inputs", revision="r1").settle()
    assert world.made == [], "the results are about another revision than the champion"


def test_while_a_challenger_is_on_trial_monitors_of_the_champion_start_nothing_and_their_cause_waits() -> None:
    world = begin(drifted()).try_a_challenger("7").fire("inputs")
    world.settle()
    assert world.made == []
    (found,) = world.status["triggers"]
    assert found["suppressed"]["reason"] == "RolloutActive"
    assert "7 is on trial" in world.message("Ready")
    world.try_a_challenger(None).settle()
    assert len(world.made) == 1


def test_a_trigger_that_was_written_later_does_not_act_on_older_windows() -> None:
    world = begin().fire("inputs")
    world.at("2026-11-20T14:30:00Z").edit(triggers=[drifted()]).settle()
    assert world.made == []
    world.at("2026-11-20T15:01:00Z").fire("inputs", windows=2).settle()
    assert len(world.made) == 1


@pytest.mark.parametrize(
    ("monitoring", "says"),
    [
        (["age-shift", "plans"], "ModelDeployment churn has no monitor inputs; it has age-shift, plans"),
        (None, "ModelDeployment churn has no monitors: write monitoring: {} in its spec"),
    ],
)
def test_a_monitor_that_does_not_exist_is_a_condition_and_the_others_go_on(
    monitoring: list[str] | None, says: str
) -> None:
    world = begin(drifted())
    assert world.deployment is not None
    world.watch(*({"name": name} for name in monitoring or []))
    if monitoring is None:
        del world.deployment["spec"]["monitoring"]
    world.settle()
    assert world.condition("Stalled") == ("True", "MonitorNotFound")
    assert says in world.message("Stalled")
    world.fire("age-shift").settle()
    assert len(world.made) == 1


def test_without_the_deployment_nothing_is_missing_but_the_deployment() -> None:
    world = World(policy=policy(drifted()), deployment=None)
    world.settle()
    assert world.condition("Ready") == ("False", "ModelDeploymentNotFound")
    assert world.condition("Stalled") == ("", "")


def test_a_metric_drop_and_a_monthly_baseline_on_one_policy() -> None:
    """R131."""
    monthly = {"name": "monthly", "schedule": {"cron": "0 3 1 * *"}}
    world = begin(drifted(), monthly).fire("inputs")
    world.settle()
    finish(world, auc=0.9)
    world.fire().at("2026-12-01T03:00:00Z").settle()
    assert reasons_of(world) == [["monitors:drifted:2026-11-20T14:00:00Z"], ["schedule:monthly:2026-12-01T03:00:00Z"]]

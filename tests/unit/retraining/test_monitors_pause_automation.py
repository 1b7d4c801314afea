"""A monitor with action PauseAutomation holds all triggers back until it is quiet; a person may start a run."""

from __future__ import annotations

from typing import Any

from tests.unit.retraining.world import (
    World,
    policy,
    reasons_of,
)

DRIFTED = {"name": "drifted", "monitors": {"names": ["inputs"]}}
HOURLY = {"name": "hourly", "schedule": {"cron": "30 * * * *"}}


def begin(*triggers: dict[str, Any]) -> World:
    world = World(policy=policy(*triggers))
    world.watch({"name": "inputs"}, {"name": "gaps", "action": "PauseAutomation"}).settle()
    return world.at("2026-11-20T14:01:00Z")


def test_automation_is_paused_and_says_by_which_monitor() -> None:
    world = begin(HOURLY).fire("gaps")
    world.settle()
    assert world.condition("Paused") == ("True", "MonitorFired")
    assert "monitor gaps of ModelDeployment churn has fired, until it is quiet: gaps has moved" in world.message(
        "Paused"
    )
    world.at("2026-11-20T14:30:00Z").settle()
    assert world.made == []
    world.ask_by_hand("now").settle()
    assert len(world.made) == 1


def test_a_pause_that_nothing_can_end_says_why() -> None:
    """The last word of a monitor stands while nobody can judge, so automation would stay paused without a reason."""
    world = begin(HOURLY).fire("gaps")
    assert world.deployment is not None
    judged = {"type": "Monitored", "status": "True", "message": "every window is judged once it is complete"}
    world.deployment["status"]["conditions"] = [judged]
    world.settle()
    assert "judge nothing" not in world.message("Paused")
    blind = {"type": "Monitored", "status": "Unknown", "reason": "Stale", "message": "no window since noon"}
    world.deployment["status"]["conditions"] = [blind]
    world.settle()
    assert "gaps has moved; monitors judge nothing now (no window since noon); to train" in world.message("Paused")
    assert "judge nothing now" in world.message("DataQuality")


def test_it_resumes_by_itself_and_what_drift_found_meanwhile_is_exactly_one_run() -> None:
    """Bad data makes monitors fire as well. What they found waits, and comes back once, however long the pause was."""
    world = begin(DRIFTED).fire("gaps", "inputs")
    world.settle()
    for hour in ("15", "16", "17"):
        world.at(f"2026-11-20T{hour}:01:00Z").fire("gaps", "inputs", windows=int(hour) - 13).settle()
    assert world.made == []
    world.at("2026-11-20T18:01:00Z").fire().settle()
    assert world.condition("Paused") == ("False", "NotPaused")
    assert reasons_of(world) == [["monitors:drifted:2026-11-20T14:00:00Z"]]
    world.train(auc=0.9).settle()
    for _ in range(3):
        world.later(hours=2).fire().settle()
    assert len(world.made) == 1


def test_a_monitor_that_only_alerts_pauses_nothing() -> None:
    world = begin(HOURLY).fire("inputs")
    world.settle()
    assert world.condition("Paused") == ("False", "NotPaused")


def test_what_was_found_of_another_revision_pauses_nothing() -> None:
    world = begin(HOURLY).fire("gaps", revision="r0")
    world.settle()
    assert world.condition("Paused") == ("False", "NotPaused")


def test_a_time_of_a_schedule_that_fell_into_the_pause_comes_back_exactly_once() -> None:
    """Its deadline counts from the end of the pause, which nothing shows any more once the monitor is quiet."""
    daily = {"name": "daily", "schedule": {"cron": "30 14 * * *"}}
    world = begin(daily).fire("gaps")
    world.settle()
    for hour in (15, 17, 19):
        world.at(f"2026-11-20T{hour}:01:00Z").fire("gaps").settle()
    assert world.condition("DataQuality") == ("False", "MonitorFired")
    assert world.told.count("DataQualityFailed") == 1
    world.registry.unavailable = True
    world.at("2026-11-20T20:01:00Z").fire().forget_status().settle()
    world.registry.unavailable = False
    world.later(minutes=30).settle()
    assert reasons_of(world) == [["schedule:daily:2026-11-20T14:30:00Z"]]
    world.train(auc=0.9).settle()
    plan = world.later(hours=3).settle()
    assert plan.actions == ()
    assert len(world.made) == 1


def test_a_person_overrides_one_pause_by_name_and_reason_and_not_the_next_one() -> None:
    world = begin(HOURLY).fire("gaps")
    world.settle()
    assert 'viridian.dev/override="gaps <why>#<your user name>"' in world.message("Paused")
    world.at("2026-11-20T14:31:00Z").settle()
    for value in ("gaps#alice", "gaps known", "inputs known#alice"):
        world.policy["metadata"]["annotations"]["viridian.dev/override"] = value
        world.settle()
        assert world.made == []
    world.policy["metadata"]["annotations"]["viridian.dev/override"] = "gaps known#alice"
    world.settle()
    world.train(auc=0.9).settle()
    assert world.last_run["commands"] == ["viridian.dev/override=gaps known#alice"]
    world.at("2026-11-20T15:01:00Z").fire("gaps", windows=2).settle()
    assert world.condition("Paused") == ("False", "NotPaused"), "it still fires: the same pause"
    world.at("2026-11-20T16:01:00Z").fire().settle()
    world.train(auc=0.9).settle()
    world.at("2026-11-20T17:01:00Z").fire("gaps").settle()
    assert world.condition("Paused") == ("True", "MonitorFired"), "the text that is used up ends no other pause"
    assert world.settle().actions == ()

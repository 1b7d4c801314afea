"""`status.triggers`: what each trigger last saw, when it last fired, how often it started no run, and why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.retraining.world import (
    World,
    begin,
    daily,
    weekly,
)


def shown(world: World) -> dict[str, Any]:
    (trigger,) = world.status["triggers"]
    found: dict[str, Any] = trigger
    return found


def test_a_trigger_that_fired_shows_when_and_is_not_suppressed() -> None:
    world = begin(daily())
    world.at("2026-11-21T03:00:00Z").settle()
    assert shown(world) == {
        "name": "daily",
        "lastFired": "2026-11-21T03:00:00Z",
        "lastSeen": "2026-11-21T03:00:00Z",
        "next": "2026-11-22T03:00:00Z",
    }


def test_what_occurs_while_a_run_is_at_work_is_counted_with_its_reason() -> None:
    world = begin(daily())
    world.ask_by_hand("one").settle()
    world.at("2026-11-24T03:30:00Z").settle()
    found = shown(world)["suppressed"]
    assert (found["count"], found["reason"]) == (4, "RunActive")
    world.train(auc=0.9).settle()
    assert "suppressed" not in shown(world), "the run after it answers all four"


def test_what_a_cooldown_holds_back_is_counted() -> None:
    world = begin(daily(), budget={"cooldown": "30d"})
    world.ask_by_hand("one").settle()
    world.train(auc=0.9).settle()
    world.at("2026-11-22T03:20:00Z").settle()
    found = shown(world)["suppressed"]
    assert (found["count"], found["reason"]) == (2, "Cooldown")


@pytest.mark.parametrize(("bad_data", "reason"), [(False, "Suspended"), (True, "DataQualityFailed")])
def test_a_schedule_says_why_it_is_paused_and_nothing_moves_with_its_times(bad_data: bool, reason: str) -> None:
    """A status that moves with each time of a paused schedule would be written for ever."""
    world = begin(daily(startingDeadline="1h"), suspend=not bad_data)
    world.ask_by_hand("one").settle()
    world.end(64 if bad_data else 66).settle()
    statuses = []
    for at in ("2026-11-22T03:20:00Z", "2026-11-22T12:00:00Z", "2026-11-23T03:10:00Z"):
        world.at(at).settle()
        statuses.append(shown(world))
    assert statuses[0]["suppressed"]["reason"] == reason
    assert "count" not in statuses[0]["suppressed"]
    assert statuses[1:] == statuses[:1] * 2


def test_a_time_that_was_missed_for_good_says_so() -> None:
    world = begin(weekly())
    world.at("2026-11-22T09:00:00Z").settle()
    found = shown(world)["suppressed"]
    assert (found["count"], found["reason"]) == (1, "Missed")
    assert "2026-11-22T03:00:00Z was missed" in found["message"]


def test_the_count_has_an_end() -> None:
    world = begin({"name": "often", "schedule": {"cron": "* * * * *"}}, budget={"cooldown": "40d"})
    world.ask_by_hand("one").settle()
    world.train(auc=0.9).settle()
    world.later(days=30).settle()
    assert shown(world)["suppressed"]["count"] == 100

"""`status.triggers`: what each trigger last saw, when it last fired, how often it started no run, and why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.retraining.world import World, policy, weekly


def daily(**more: Any) -> dict[str, Any]:
    return {"name": "daily", "schedule": {"cron": "0 3 * * *", **more}}


def begin(*triggers: dict[str, Any], **spec: Any) -> World:
    world = World(policy=policy(*triggers, **spec))
    world.settle()
    return world


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


@pytest.mark.parametrize(
    ("sentence", "spec", "reason"),
    [
        ("suspended", {"suspend": True}, "Suspended"),
        ("after a run", {"budget": {"cooldown": "30d"}}, "Cooldown"),
    ],
)
def test_why_nothing_starts(sentence: str, spec: dict[str, Any], reason: str) -> None:
    world = begin(daily(), **spec)
    world.ask_by_hand("one").settle()
    world.train(auc=0.9).settle()
    world.at("2026-11-22T03:20:00Z").settle()
    found = shown(world)["suppressed"]
    assert (found["count"], found["reason"]) == (2, reason), sentence


def test_times_that_bad_data_holds_back_are_counted_since_it_last_fired() -> None:
    world = begin(daily())
    world.at("2026-11-21T03:00:00Z").settle()
    world.end(64).settle()
    world.at("2026-11-25T12:00:00Z").settle()
    found = shown(world)["suppressed"]
    assert (found["count"], found["reason"]) == (4, "DataQualityFailed")


def test_a_time_that_was_missed_for_good_says_so() -> None:
    world = begin(weekly())
    world.at("2026-11-22T09:00:00Z").settle()
    found = shown(world)["suppressed"]
    assert (found["count"], found["reason"]) == (1, "Missed")
    assert "2026-11-22T03:00:00Z was missed" in found["message"]


def test_the_count_has_an_end() -> None:
    world = begin({"name": "often", "schedule": {"cron": "* * * * *"}}, suspend=True)
    world.later(days=30).settle()
    assert shown(world)["suppressed"]["count"] == 100

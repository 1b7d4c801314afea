"""Windows in which no trigger starts a run."""

from __future__ import annotations

import pytest

from tests.unit.retraining.test_what_starts_a_run import finish
from tests.unit.retraining.world import begin, daily, reasons_of

NIGHT = {"cron": "0 2 * * *", "duration": "4h"}


@pytest.mark.parametrize(
    ("sentence", "now", "begins"),
    [
        ("before the window", "2026-11-21T01:59:59Z", False),
        ("inside of it", "2026-11-21T03:00:05Z", False),
        ("just before its end", "2026-11-21T05:59:59Z", False),
        ("at its end", "2026-11-21T06:00:00Z", True),
        ("within the deadline, which counts from its end", "2026-11-21T07:00:00Z", True),
        ("too late", "2026-11-21T07:00:01Z", False),
    ],
)
def test_a_time_in_a_blackout_waits_for_its_end(sentence: str, now: str, begins: bool) -> None:
    world = begin(daily(), blackouts=[NIGHT])
    world.at(now).settle()
    assert reasons_of(world) == ([["schedule:daily:2026-11-21T03:00:00Z"]] if begins else []), sentence


def test_the_message_says_until_when_and_the_pass_comes_back_then() -> None:
    world = begin(daily(), blackouts=[NIGHT])
    plan = world.at("2026-11-21T03:00:05Z").settle()
    assert plan.wake is not None
    assert plan.wake.isoformat() == "2026-11-21T06:00:00+00:00"
    assert world.condition("Paused") == ("True", "Blackout")
    expected = 'spec.blackouts "0 2 * * *" (UTC) lasts until 2026-11-21T06:00:00Z: only a person starts a run before'
    assert world.message("Paused") == expected
    assert world.message("Ready") == f"schedule:daily:2026-11-21T03:00:00Z waits: {expected}"
    world.now = plan.wake
    world.settle()
    assert finish(world).condition("Paused") == ("False", "NotPaused")


def test_a_person_starts_a_run_in_a_blackout() -> None:
    world = begin(daily(), blackouts=[NIGHT])
    world.at("2026-11-21T03:00:05Z").ask_by_hand("now").settle()
    assert reasons_of(world) == [["manual:now", "schedule:daily:2026-11-21T03:00:00Z"]]


def test_a_blackout_follows_the_clock_of_its_zone() -> None:
    helsinki = {"cron": "0 2 * * *", "duration": "2h", "timeZone": "Europe/Helsinki"}
    world = begin(daily(hour=1), blackouts=[helsinki])
    world.at("2026-11-21T01:00:05Z").settle()
    assert world.made == [], "02:00 to 04:00 in Helsinki are 00:00 to 02:00 in UTC"
    world.at("2026-11-21T02:00:00Z").settle()
    assert len(world.made) == 1


def test_a_blackout_that_names_no_times_is_reported_and_stops_nothing() -> None:
    world = begin(daily(), blackouts=[{"cron": "0 2 * * *", "duration": "1h", "timeZone": "Mars/Phobos"}])
    assert world.condition("Stalled") == ("True", "InvalidSchedule")
    assert world.message("Stalled").startswith('spec.blackouts[0]: "Mars/Phobos" is not a time zone')
    world.at("2026-11-21T03:00:05Z").settle()
    assert len(world.made) == 1

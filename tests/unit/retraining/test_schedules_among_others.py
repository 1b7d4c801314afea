"""Schedules beside other triggers: jitter, times that a recent run makes needless, clocks that jump, summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.retraining.world import (
    World,
    daily,
    policy,
    reasons_of,
)
from viridian.api.triggers import Schedule, Trigger
from viridian.retraining.triggers.schedule import read_schedules


def begin(*triggers: dict[str, Any], uid: str = "policy-1", **spec: Any) -> World:
    world = World(policy=policy(*triggers, **spec))
    world.policy["metadata"]["uid"] = uid
    world.settle()
    return world


# ---- jitter


def next_times(uids: list[str], jitter: str) -> set[str]:
    return {begin(daily(jitter=jitter), uid=uid).status["nextScheduled"] for uid in uids}


def test_jitter_spreads_policies_and_is_always_the_same_for_one() -> None:
    uids = [f"policy-{number}" for number in range(40)]
    spread = next_times(uids, "30m")
    assert len(spread) > 30
    assert min(spread) >= "2026-11-21T03:00:00Z"
    assert max(spread) < "2026-11-21T03:30:00Z"
    assert max(spread) > "2026-11-21T03:20:00Z", "the whole span is used"
    assert spread == next_times(uids, "30m")
    assert next_times(uids, "0s") == {"2026-11-21T03:00:00Z"}


def test_a_time_with_jitter_starts_late_by_it_under_the_name_of_its_schedule() -> None:
    world = begin(daily(jitter="30m", startingDeadline="1m"))
    late = datetime.fromisoformat(world.status["nextScheduled"])
    world.now = late - timedelta(seconds=1)
    world.settle()
    assert world.made == []
    world.now = late + timedelta(seconds=59)
    world.settle()
    assert reasons_of(world) == [["schedule:daily:2026-11-21T03:00:00Z"]]
    world.train(auc=0.9).settle()
    world.edit(triggers=[daily(jitter="0s")]).later(minutes=5).settle()
    assert len(world.made) == 1, "with another jitter it is the same time"


def test_each_day_has_one_time_with_jitter_too_when_the_clock_is_changed() -> None:
    for day in ("2027-03-28", "2027-10-31"):
        world = begin(daily(jitter="45m", timeZone="Europe/Helsinki"), uid="policy-7")
        world.at(f"{day}T00:00:00+02:00")
        for _ in range(24 * 4):
            world.later(minutes=15).settle()
            if "activeRun" in world.status:
                world.train(auc=0.9).settle()
        assert [reason[0][:27] for reason in reasons_of(world)].count(f"schedule:daily:{day}T0"[:27]) == 1


# ---- a run resets the timer, as declared


@pytest.mark.parametrize(
    ("sentence", "began", "auc", "runs"),
    [
        ("shortly before", "2026-11-30T12:00:00Z", 0.9, 1),
        ("shortly before, and its candidate was rejected", "2026-11-30T12:00:00Z", 0.1, 1),
        ("long before", "2026-11-10T12:00:00Z", 0.9, 2),
        ("shortly before, and it has failed", "2026-11-30T12:00:00Z", None, 2),
    ],
)
def test_a_time_is_left_out_where_a_run_has_made_a_candidate(
    sentence: str, began: str, auc: float | None, runs: int
) -> None:
    """R131: a run that drift has caused resets the timer of the baseline, where the schedule says so."""
    monthly = {"name": "monthly", "schedule": {"cron": "0 3 1 * *", "unlessRunWithin": "14d"}}
    drifted = {"name": "drifted", "monitors": {"names": ["inputs"]}}
    world = World(policy=policy(monthly, drifted, gate={"metrics": [{"name": "auc", "min": 0.5}]}))
    world.policy["metadata"]["creationTimestamp"] = "2026-11-01T12:00:00Z"
    world.watch({"name": "inputs"}).at(began).fire("inputs").settle()
    world.fire()
    (world.end(1) if auc is None else world.train(auc=auc)).settle()
    world.at("2026-12-01T03:00:00Z").settle()
    assert len(world.made) == runs, sentence
    found = next(trigger for trigger in world.status["triggers"] if trigger["name"] == "monthly")
    assert found.get("suppressed", {}).get("reason") == ("RecentRun" if runs == 1 else None)
    assert found["next"] == "2027-01-01T03:00:00Z"


def test_a_run_that_is_at_work_when_the_time_comes_decides_by_how_it_ends() -> None:
    hourly = {"name": "hourly", "schedule": {"cron": "0 * * * *", "unlessRunWithin": "30m"}}
    for auc, runs in ((0.9, 1), (None, 2)):
        world = begin(hourly)
        world.at("2026-11-20T12:50:00Z").ask_by_hand("one").settle()
        world.at("2026-11-20T13:05:00Z").settle()
        (world.end(1) if auc is None else world.train(auc=auc)).settle()
        assert len(world.made) == runs


# ---- clocks


def test_a_clock_that_is_set_back_starts_nothing_twice() -> None:
    world = begin(daily())
    world.at("2026-11-21T03:00:00Z").settle()
    world.train(auc=0.9).settle()
    for at in ("2026-11-20T23:00:00Z", "2026-11-21T02:59:00Z", "2026-11-21T03:01:00Z"):
        world.at(at).settle()
    assert reasons_of(world) == [["schedule:daily:2026-11-21T03:00:00Z"]]


def test_a_clock_that_jumps_ahead_starts_the_newest_time_once() -> None:
    world = begin(daily())
    world.at("2026-12-24T03:30:00Z").settle()
    assert reasons_of(world) == [["schedule:daily:2026-12-24T03:00:00Z"]]


def test_causes_of_all_kinds_in_a_second_are_one_run_that_lists_them() -> None:
    """R90."""
    drifted = {"name": "drifted", "monitors": {"names": ["inputs"]}}
    worse = {"name": "worse", "monitors": {"names": ["errors"]}}
    world = World(policy=policy(daily(), {**daily(), "name": "baseline"}, drifted, worse))
    world.watch({"name": "inputs"}, {"name": "errors"}).settle()
    world.at("2026-11-21T03:00:01Z").fire("inputs", "errors").ask_by_hand("now").settle()
    at = "2026-11-21T03:00:00Z"
    assert reasons_of(world) == [
        [
            f"schedule:baseline:{at}",
            f"schedule:daily:{at}",
            f"monitors:drifted:{at}",
            f"monitors:worse:{at}",
            "manual:now",
        ]
    ]
    assert len(world.reasons) == 5
    world.train(auc=0.9).settle()
    world.fire().later(hours=3).settle()
    assert len(world.made) == 1


def test_reading_a_schedule_needs_nothing_but_spec_uid_and_clock() -> None:
    world = World(policy=policy(daily(jitter="10m")))
    facts = world.observe().facts
    assert facts.spec is not None
    now = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    assert list(read_schedules(facts.spec, facts, now)) == list(read_schedules(facts.spec, facts, now))
    assert Trigger(name="a", schedule=Schedule(cron="0 3 * * 0")).cooldown == "0s"

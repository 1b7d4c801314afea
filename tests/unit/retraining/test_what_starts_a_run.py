"""Which causes start a run, when, and which do not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.retraining.world import (
    World,
    begin,
    daily,
    policy,
    reasons_of,
    weekly,
)

SUNDAY = "2026-11-22T03:00:05Z"


def finish(world: World) -> World:
    world.train(auc=0.9).settle()
    return world


# ---- schedules


@pytest.mark.parametrize(
    ("sentence", "looks", "fired"),
    [
        ("before it is due", ["2026-11-22T02:59:59Z"], []),
        ("at the very moment", ["2026-11-22T03:00:00Z"], ["2026-11-22T03:00:00Z"]),
        ("late, within the deadline", ["2026-11-22T03:59:00Z"], ["2026-11-22T03:00:00Z"]),
        ("just on the deadline", ["2026-11-22T04:00:00Z"], ["2026-11-22T03:00:00Z"]),
        ("too late", ["2026-11-22T04:00:01Z"], []),
        ("too late, and the next one in time", ["2026-11-22T09:00:00Z", "2026-11-29T03:30:00Z"],
         ["2026-11-29T03:00:00Z"]),
        ("several were missed: the newest", ["2027-01-31T03:10:00Z"], ["2027-01-31T03:00:00Z"]),
    ],
)  # fmt: skip
def test_missed_times(sentence: str, looks: list[str], fired: list[str]) -> None:
    world = begin(weekly())
    for look in looks:
        world.at(look).settle()
    assert reasons_of(world) == [[f"schedule:weekly:{at}"] for at in fired], sentence


def test_a_time_before_the_policy_was_created_is_not_missed() -> None:
    world = World(policy=policy({"name": "noon", "schedule": {"cron": "30 11 * * *", "startingDeadline": "1h"}}))
    world.settle()
    assert world.made == []


@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31"])
def test_a_sunday_on_which_the_clock_is_changed_has_one_run(day: str) -> None:
    world = begin(weekly(timeZone="Europe/Helsinki"))
    for hour in range(24):
        for minute in (0, 30):
            world.at(f"{day}T{hour:02d}:{minute:02d}:00+02:00").settle()
            if "activeRun" in world.status:
                finish(world)
    assert len(world.made) == 1


def test_the_wake_is_the_next_time_of_any_trigger() -> None:
    world = begin(weekly(), daily(hour=2))
    plan = world.settle()
    assert plan.wake is not None
    assert plan.wake.isoformat() == "2026-11-21T02:00:00+00:00"
    assert world.status["nextScheduled"] == "2026-11-21T02:00:00Z"


@pytest.mark.parametrize(
    ("schedule", "says"),
    [({"cron": "0 3 * *"}, 'trigger bad: "0 3 * *" is not a schedule: write five fields'),
     ({"cron": "0 3 * * *", "timeZone": "Mars/Phobos"}, "write an IANA name such as UTC")],
)  # fmt: skip
def test_a_schedule_that_names_no_times_stalls_nothing_but_itself(schedule: dict[str, Any], says: str) -> None:
    world = begin({"name": "bad", "schedule": schedule}, weekly())
    assert world.condition("Ready") == ("False", "InvalidSchedule")
    assert world.condition("Stalled") == ("True", "InvalidSchedule")
    assert says in world.message("Stalled")
    world.at(SUNDAY).settle()
    finish(world)
    world.ask_by_hand("now").settle()
    assert len(world.made) == 2


# ---- by hand


def test_the_same_value_never_runs_twice() -> None:
    world = begin()
    world.ask_by_hand("one").settle()
    finish(world)
    for _ in range(3):
        world.later(days=30).settle()
        world.forget_status().settle()
    assert reasons_of(world) == [["manual:one"]]


def test_another_value_runs_once_more_and_an_old_one_does_not_come_back_while_its_job_is_kept() -> None:
    world = begin()
    for value in ("one", "two", "one"):
        world.ask_by_hand(value).settle()
        if "activeRun" in world.status:
            finish(world)
        world.later(hours=1)
    assert reasons_of(world) == [["manual:one"], ["manual:two"]]


@pytest.mark.parametrize("value", ["", "   "])
def test_an_empty_value_asks_for_nothing(value: str) -> None:
    world = begin()
    world.ask_by_hand(value).settle()
    assert world.made == []


def test_long_values_are_told_apart_to_the_end() -> None:
    world = begin()
    world.ask_by_hand("x" * 5000).settle()
    finish(world)
    world.ask_by_hand("x" * 4999 + "y").settle()
    assert len(set(world.made)) == 2
    assert all(len(reason) < 316 for reasons in reasons_of(world) for reason in reasons)


def test_a_wish_that_is_withdrawn_before_it_began_is_forgotten() -> None:
    world = begin()
    world.registry.unavailable = True
    world.ask_by_hand("one").settle()
    world.registry.unavailable = False
    world.ask_by_hand("").settle()
    assert world.made == []


# ---- several at once


def test_causes_that_are_due_at_once_become_one_run_that_lists_them() -> None:
    world = begin(weekly(), daily())
    world.ask_by_hand("now").at(SUNDAY).settle()
    at = "2026-11-22T03:00:00Z"
    assert reasons_of(world) == [[f"schedule:daily:{at}", f"schedule:weekly:{at}", "manual:now"]]
    told = {v["name"]: v["value"] for v in world.job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert json.loads(told["VIRIDIAN_REASONS"]) == [
        {"source": "schedule", "trigger": "daily", "at": at},
        {"source": "schedule", "trigger": "weekly", "at": at},
        {"source": "manual", "value": "now"},
    ]
    finish(world)
    world.later(hours=2).settle()
    assert len(world.made) == 1


def test_a_cause_that_comes_between_the_mlflow_run_and_the_job_joins_the_run_that_was_begun() -> None:
    world = begin(daily())
    world.ask_by_hand("now")
    world.once()
    begun = world.status["activeRun"]["id"]
    world.at("2026-11-21T03:00:00Z").settle()
    assert reasons_of(world) == [["manual:now", "schedule:daily:2026-11-21T03:00:00Z"]]
    assert world.made == [f"churn-{begun}-training"]
    assert len(world.registry.runs()) == 1


def test_a_second_cause_waits_for_the_run_at_work() -> None:
    world = begin()
    world.ask_by_hand("one").settle()
    world.ask_by_hand("two").settle()
    assert len(world.made) == 1
    finish(world)
    assert reasons_of(world) == [["manual:one"], ["manual:two"]]


def test_of_many_times_during_a_run_the_newest_runs_after_it() -> None:
    """R133: fifty batches in the time of one run make two runs."""
    world = begin({"name": "often", "schedule": {"cron": "* * * * *"}})
    world.later(minutes=1).settle()
    for _ in range(50):
        world.later(minutes=1).settle()
    finish(world)
    assert reasons_of(world) == [["schedule:often:2026-11-20T12:01:00Z"], ["schedule:often:2026-11-20T12:51:00Z"]]


# ---- what holds schedules back


def test_suspended_schedules_start_nothing_and_a_person_may() -> None:
    world = begin(weekly(), suspend=True)
    world.at(SUNDAY).settle()
    assert world.made == []
    assert world.condition("Paused") == ("True", "Suspended")
    assert world.condition("Ready") == ("True", "Suspended")
    assert "nextScheduled" not in world.status
    world.ask_by_hand("now").settle()
    assert reasons_of(world) == [["manual:now", "schedule:weekly:2026-11-22T03:00:00Z"]]
    finish(world)
    world.edit(suspend=False).settle()
    assert len(world.made) == 1


def test_after_a_long_suspension_nothing_is_made_up_for() -> None:
    world = begin(weekly(), suspend=True)
    world.at("2026-11-25T00:00:00Z").edit(suspend=False).settle()
    assert world.made == []


def test_suspending_lets_the_run_at_work_end() -> None:
    world = begin()
    world.ask_by_hand("one").settle()
    world.edit(suspend=True).settle()
    finish(world)
    assert world.last_run["outcome"] == "HandedOver"


def test_the_cooldown_holds_schedules_back_and_no_person() -> None:
    world = begin(daily(hour=13), budget={"cooldown": "90m"})
    world.ask_by_hand("one").settle()
    finish(world)
    world.at("2026-11-20T13:00:00Z").settle()
    assert len(world.made) == 1
    assert "waits until 2026-11-20T13:30:00Z" in world.message("Ready")
    plan = world.settle()
    assert plan.wake is not None
    assert plan.wake.isoformat() == "2026-11-20T13:30:00+00:00"
    world.at("2026-11-20T13:30:00Z").settle()
    assert len(world.made) == 2
    finish(world)
    world.ask_by_hand("two").settle()
    assert len(world.made) == 3


def test_what_waits_for_the_end_of_the_cooldown_starts_then_however_long_that_is() -> None:
    world = begin(daily(hour=13), budget={"cooldown": "20h"})
    world.ask_by_hand("one").settle()
    finish(world)
    for time in ("2026-11-20T13:00:00Z", "2026-11-20T14:30:00Z", "2026-11-21T07:59:59Z"):
        world.at(time).settle()
        assert "waits until 2026-11-21T08:00:00Z" in world.message("Ready")
        assert len(world.made) == 1
    world.at("2026-11-21T08:00:01Z").settle()
    assert len(world.made) == 2


def test_what_fired_while_a_run_was_at_work_waits_for_the_end_of_its_cooldown_too() -> None:
    world = begin(daily(hour=13), budget={"cooldown": "20h"})
    world.at("2026-11-20T12:59:00Z").ask_by_hand("one").settle()
    world.at("2026-11-20T13:30:00Z")
    finish(world)
    assert "waits until 2026-11-21T09:30:00Z" in world.message("Ready")
    world.at("2026-11-21T09:30:00Z").settle()
    assert len(world.made) == 2


@pytest.mark.parametrize(("missed", "runs"), [("2026-11-21T08:59:00Z", 2), ("2026-11-21T09:01:00Z", 1)])
def test_the_deadline_counts_from_the_end_of_the_cooldown(missed: str, runs: int) -> None:
    """The operator was down when the cooldown ended."""
    world = begin(daily(hour=13), budget={"cooldown": "20h"})
    world.ask_by_hand("one").settle()
    finish(world)
    world.at(missed).settle()
    assert len(world.made) == runs
    assert world.message("Ready").startswith("run" if runs == 2 else "nothing is due")


# ---- bad data


def bad_data(**spec: Any) -> World:
    world = begin(daily(), data={"uri": "s3://data", "revision": "1"}, **spec)
    world.at("2026-11-21T03:00:00Z").settle()
    world.end(64, {"failures": ["age is empty"]}).settle()
    return world


def test_bad_data_pauses_schedules_and_says_what_to_do() -> None:
    world = bad_data()
    assert world.condition("DataQuality") == ("False", "DataQualityFailed")
    assert world.condition("Paused") == ("True", "DataQualityFailed")
    assert world.condition("Stalled") == ("True", "DataQualityFailed")
    assert "age is empty" in world.message("DataQuality")
    assert "change spec.data.revision" in world.message("Ready")
    world.at("2026-11-22T03:00:00Z").settle()
    world.forget_status().settle()
    assert len(world.made) == 1


def test_better_data_runs_the_newest_time_that_was_held_back_however_long_ago() -> None:
    world = bad_data()
    world.at("2026-11-24T15:00:00Z").settle()
    world.edit(data={"uri": "s3://data", "revision": "2"}).settle()
    assert reasons_of(world)[1:] == [["schedule:daily:2026-11-24T03:00:00Z"]]
    finish(world)
    assert world.condition("DataQuality") == ("True", "DataAccepted")
    assert world.condition("Ready") == ("True", "Waiting")
    world.later(hours=1).settle()
    assert len(world.made) == 2


def test_a_run_by_hand_that_succeeds_ends_the_pause() -> None:
    world = bad_data()
    world.at("2026-11-22T15:00:00Z").ask_by_hand("repaired").settle()
    assert reasons_of(world)[1:] == [["manual:repaired", "schedule:daily:2026-11-22T03:00:00Z"]]
    finish(world)
    assert world.condition("Paused") == ("False", "NotPaused")
    world.at("2026-11-23T03:00:00Z").settle()
    assert len(world.made) == 3


def test_a_run_that_says_nothing_about_the_data_ends_no_pause() -> None:
    world = bad_data(history={"runs": 1})
    for value in ("two", "three"):
        world.later(hours=1).ask_by_hand(value).settle()
        world.end(1).settle()
    world.forget_status().settle()
    assert world.condition("DataQuality") == ("False", "DataQualityFailed")


# ---- what is kept


def test_old_jobs_are_removed_and_the_evidence_is_kept() -> None:
    world = begin(weekly(), history={"runs": 2})
    world.at(SUNDAY).settle()
    finish(world)
    for number in range(5):
        world.later(hours=1).ask_by_hand(f"value {number}").settle()
        finish(world)
    kept = set(world.jobs)
    assert kept == {world.made[0], *world.made[-2:]}, "the weekly run answers its trigger, two are the history"
    assert world.status["runs"][0]["reasons"] == ["manual:value 4"]
    assert len(world.status["runs"]) == 3


def test_the_job_that_answers_the_annotation_outlives_the_history() -> None:
    world = begin(daily(), history={"runs": 1})
    world.ask_by_hand("one").settle()
    finish(world)
    for day in range(21, 28):
        world.at(f"2026-11-{day}T03:00:00Z").settle()
        finish(world)
    assert len(world.made) == 8
    assert set(world.jobs) == {world.made[0], world.made[-1]}


def test_a_former_policy_of_the_same_name_is_somebody_else() -> None:
    world = begin()
    world.ask_by_hand("one").settle()
    finish(world)
    world.policy["metadata"]["uid"] = "policy-2"
    world.forget_status().settle()
    assert len(set(world.made)) == 2
    finish(world)
    assert len(world.status["runs"]) == 1


def test_a_policy_on_its_way_out_starts_nothing() -> None:
    world = begin()
    world.policy["metadata"]["deletionTimestamp"] = "2026-11-20T12:00:00Z"
    world.ask_by_hand("one").settle()
    assert world.made == []


# ---- a cause is what was asked for, and when


def every_day_at(hour: int, name: str = "daily", zone: str = "UTC", minute: int = 0) -> dict[str, Any]:
    return {"name": name, "schedule": {"cron": f"{minute} {hour} * * *", "timeZone": zone}}


def edited_at(time: str, *triggers: dict[str, Any], before: tuple[dict[str, Any], ...], **spec: Any) -> World:
    """A policy whose triggers were others from 12:00 on, and are these since that time."""
    world = begin(*before)
    world.at(time).edit(triggers=list(triggers), **spec).settle()
    return world


AFTER_NOON = "2026-11-20T15:30:00Z"
AT_THREE = every_day_at(3)


@pytest.mark.parametrize(
    ("sentence", "before", "after"),
    [
        ("the hour is edited", [AT_THREE], every_day_at(15)),
        ("the time zone is edited", [every_day_at(17)], every_day_at(17, zone="Europe/Helsinki")),
        ("a trigger is added", [AT_THREE], every_day_at(15, "new")),
        ("it is renamed and edited", [AT_THREE], every_day_at(15, "new")),
        ("it takes the name of another", [AT_THREE, every_day_at(4, "other")], every_day_at(15, "other")),
        ("a schedule that could not be read is put right", [{"name": "daily", "schedule": {"cron": "0 15 * *"}}],
         every_day_at(15)),
        ("the very first one", [], every_day_at(15)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", ["kept", "deleted"])
def test_an_edited_schedule_fires_for_no_time_before_the_edit(
    sentence: str, before: list[dict[str, Any]], after: dict[str, Any], status: str
) -> None:
    world = edited_at(AFTER_NOON, after, before=tuple(before))
    if status == "deleted":
        world.forget_status().later(minutes=5).settle()
    assert world.made == [], sentence
    world.at("2026-11-21T15:00:00Z").settle()
    assert len(world.made) == 1, sentence


def test_an_edit_in_the_very_minute_of_the_schedule_does_not_fire_for_it() -> None:
    world = edited_at("2026-11-20T15:00:20Z", every_day_at(15), before=(AT_THREE,))
    assert world.made == []


def test_a_time_after_the_edit_is_missed_no_more_than_any_other() -> None:
    world = edited_at("2026-11-20T14:59:00Z", every_day_at(15), before=(AT_THREE,))
    world.at(AFTER_NOON).settle()
    assert reasons_of(world) == [["schedule:daily:2026-11-20T15:00:00Z"]]


def written_by(world: World, time: str, *names: str) -> World:
    """As the API server tells who wrote the schedules, and when."""
    fields: dict[str, Any] = {f'k:{{"name":"{name}"}}': {"f:schedule": {"f:cron": {}}} for name in names}
    entry = {"manager": "kubectl", "time": time, "fieldsV1": {"f:spec": {"f:triggers": fields}}}
    world.policy["metadata"]["managedFields"] = [entry]
    return world


def test_a_time_between_the_edit_and_the_return_of_the_operator_is_not_lost() -> None:
    world = written_by(begin(AT_THREE), "2026-11-20T14:50:00Z", "daily")
    world.at(AFTER_NOON).edit(triggers=[every_day_at(15)]).settle()
    assert reasons_of(world) == [["schedule:daily:2026-11-20T15:00:00Z"]]


def test_a_time_before_the_edit_does_not_fire_although_the_operator_saw_the_policy_for_the_first_time() -> None:
    world = written_by(World(policy=policy(every_day_at(15))), "2026-11-20T15:10:00Z", "daily").at(AFTER_NOON)
    world.settle()
    assert world.made == []


def test_an_edit_of_something_else_by_the_same_hand_loses_no_time() -> None:
    world = begin(every_day_at(15))
    world.at("2026-11-20T14:00:00Z").ask_by_hand("one").settle()
    written_by(world, "2026-11-20T15:20:00Z", "daily").at(AFTER_NOON).edit(budget={"cooldown": "0s"}).settle()
    finish(world)
    assert reasons_of(world)[1:] == [["schedule:daily:2026-11-20T15:00:00Z"]]


def test_a_trigger_that_is_renamed_asks_for_the_same() -> None:
    world = begin(every_day_at(15))
    world.at("2026-11-20T15:00:00Z").settle()
    finish(world)
    world.at(AFTER_NOON).edit(triggers=[every_day_at(15, "afternoon")]).settle()
    assert len(world.made) == 1
    world.at("2026-11-21T15:00:00Z").settle()
    assert reasons_of(world)[1:] == [["schedule:afternoon:2026-11-21T15:00:00Z"]]


def test_a_trigger_that_is_renamed_while_its_time_waits_does_not_lose_it() -> None:
    world = begin(every_day_at(15))
    world.at("2026-11-20T14:00:00Z").ask_by_hand("one").settle()
    world.at(AFTER_NOON).edit(triggers=[every_day_at(15, "afternoon")]).settle()
    finish(world)
    assert reasons_of(world)[1:] == [["schedule:afternoon:2026-11-20T15:00:00Z"]]


def test_triggers_that_swap_their_names_fire_once_each() -> None:
    world = begin(every_day_at(13, "a"), every_day_at(15, "b"))
    world.at("2026-11-20T13:00:00Z").settle()
    finish(world)
    world.at("2026-11-20T15:00:00Z").settle()
    finish(world)
    world.at(AFTER_NOON).edit(triggers=[every_day_at(15, "a"), every_day_at(13, "b")]).settle()
    assert len(world.made) == 2


def test_a_trigger_that_is_removed_and_added_again_begins_anew() -> None:
    world = begin(every_day_at(15))
    world.at("2026-11-20T14:00:00Z").edit(triggers=[]).settle()
    world.at(AFTER_NOON).edit(triggers=[every_day_at(15)]).settle()
    assert world.made == []


def test_an_edit_while_bad_data_pauses_fires_for_nothing_before_it() -> None:
    world = bad_data()
    world.at("2026-11-24T15:00:00Z").edit(triggers=[every_day_at(14)], data={"uri": "s3://data", "revision": "2"})
    world.settle()
    assert len(world.made) == 1
    world.at("2026-11-25T14:00:00Z").settle()
    assert reasons_of(world)[1:] == [["schedule:daily:2026-11-25T14:00:00Z"]]


def test_missed_times_of_a_suspension_become_one_run() -> None:
    world = begin({"name": "often", "schedule": {"cron": "*/10 * * * *"}}, suspend=True)
    world.at("2026-11-20T15:05:00Z").settle()
    world.edit(suspend=False).settle()
    assert reasons_of(world) == [["schedule:often:2026-11-20T15:00:00Z"]]


@pytest.mark.parametrize("passes", [1, 2, 3, 4, 5])
def test_of_two_values_one_after_the_other_none_is_lost(passes: int) -> None:
    """While nothing has begun in MLflow, the second replaces the first; after that both are answered, once."""
    world = begin()
    world.ask_by_hand("one")
    for _ in range(passes):
        world.once()
    world.ask_by_hand("two").settle()
    finish(world)
    answered = [reason for reasons in reasons_of(world) for reason in reasons]
    assert answered == (["manual:two"] if passes < 2 else ["manual:one", "manual:two"])


def test_a_value_that_was_answered_long_ago_is_told_to_be_used_up() -> None:
    world = begin(history={"runs": 1})
    for value in ("one", "two", "three"):
        world.ask_by_hand(value).settle()
        finish(world)
        world.later(hours=1)
    world.ask_by_hand("one").settle()
    world.forget_status().settle()
    assert len(world.made) == 3
    assert world.condition("Ready") == ("True", "Waiting")
    assert "write another value" in world.message("Ready")

"""The trigger `event`: an event that was acknowledged is answered by exactly one run, and then goes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.retraining.world import World, policy
from viridian.api.event_trigger import MAX_ATTRIBUTE, MAX_TIME
from viridian.core.ownership import Belongs, belongs
from viridian.retraining.received_events import KEPT, MAX_STORED
from viridian.retraining.runs import read_runs

READY = {"name": "ready", "event": {"type": "ready"}}
OLD = KEPT + timedelta(minutes=1)


def world(*triggers: dict[str, Any], **spec: Any) -> World:
    made = World(policy=policy(*(triggers or (READY,)), **spec))
    made.settle()
    return made


def causes(made: World) -> list[list[str]]:
    """Ids of the events that each run answers, the oldest run first."""
    runs = reversed(read_runs(made.observe().facts))
    return [[cause.value.partition(" ")[0] for cause in run.origin.causes] for run in runs]


def stored(made: World) -> int:
    return sum("viridian.dev/received-event" in one["metadata"]["labels"] for one in made.records.values())


def finish(made: World) -> None:
    made.later(minutes=1).train(auc=0.9).settle()


def test_an_event_starts_a_run_that_knows_it() -> None:
    made = world()
    made.receive("batch-1", subject="march").settle()
    (run,) = read_runs(made.observe().facts)
    (cause,) = run.origin.causes
    assert (cause.trigger, cause.value.partition(" ")[0]) == ("ready", "batch-1")
    assert cause.evidence == {
        "id": "batch-1", "source": "/pipelines", "type": "ready", "subject": "march", "sender": "key airflow",
    }  # fmt: skip
    assert made.status["activeRun"]["reasons"] == [cause.identity]
    assert made.status["triggers"][0]["lastFired"] == "2026-11-20T12:00:00Z"


def test_an_event_in_the_second_in_which_the_policy_was_made_counts() -> None:
    made = World(policy=policy(READY))
    made.receive("batch-1").settle()
    assert causes(made) == [["batch-1"]]


def test_fifty_events_in_ten_seconds_are_two_runs() -> None:
    made = world()
    for number in range(50):
        made.later(seconds=0.2).receive(f"batch-{number}").settle()
    finish(made)
    finish(made)
    made.later(hours=1).settle()
    first, second = causes(made)
    assert (len(first), len(second)) == (1, 49)
    assert len({*first, *second}) == 50


def test_what_is_sent_again_starts_no_second_run() -> None:
    made = world()
    made.receive("batch-1").settle()
    finish(made)
    made.receive("batch-1").settle()
    made.later(hours=2).receive("batch-1").settle()
    assert causes(made) == [["batch-1"]]


def test_events_wait_while_the_policy_is_suspended_and_come_back_once() -> None:
    made = world(suspend=True)
    made.receive("batch-1", "batch-2").settle()
    made.later(days=3).receive("batch-3").settle()
    assert causes(made) == []
    assert made.status["triggers"][0]["suppressed"]["count"] == 3
    made.edit(suspend=False).settle()
    finish(made)
    made.later(hours=1).settle()
    assert causes(made) == [["batch-1", "batch-2", "batch-3"]]


@pytest.mark.parametrize("held", [{"budget": {"cooldown": "6h"}}, {"triggers": [{**READY, "cooldown": "6h"}]}])
def test_events_wait_for_the_end_of_a_cooldown(held: dict[str, Any]) -> None:
    made = world()
    made.edit(**held)
    made.receive("batch-1").settle()
    finish(made)
    made.receive("batch-2").settle()
    plan = made.later(hours=1).settle()
    assert causes(made) == [["batch-1"]]
    assert plan.wake is not None
    made.later(hours=6).settle()
    assert causes(made) == [["batch-1"], ["batch-2"]]


def test_an_event_of_two_triggers_is_one_run_with_both() -> None:
    made = world(READY, {"name": "any", "event": {"type": "*"}})
    made.receive("batch-1").settle()
    (run,) = read_runs(made.observe().facts)
    assert {cause.trigger for cause in run.origin.causes} == {"ready", "any"}


def test_a_trigger_that_is_renamed_answers_and_one_that_is_edited_does_not() -> None:
    renamed = world(suspend=True)
    renamed.receive("batch-1").edit(triggers=[{**READY, "name": "other"}], suspend=False).settle()
    assert causes(renamed) == [["batch-1"]]
    edited = world(suspend=True)
    edited.receive("batch-1").edit(triggers=[{**READY, "event": {"type": "*"}}], suspend=False).settle()
    assert causes(edited) == []
    edited.later(seconds=OLD.total_seconds()).settle()
    assert stored(edited) == 0, "nothing asks for it any more"


def test_answered_events_go_once_they_are_old_and_the_newest_one_stays() -> None:
    made = world()
    made.receive("batch-1", "batch-2", "batch-3").settle()
    finish(made)
    assert stored(made) == 3, "a signed request with one of them would still be accepted"
    plan = made.settle()
    assert plan.wake is not None
    assert plan.wake - made.now <= KEPT
    made.now = plan.wake
    made.settle()
    assert stored(made) == 1
    before = made.writes
    made.later(days=1).settle()
    assert made.writes == before, "steady means silent"


def test_events_that_wait_do_not_go() -> None:
    made = world(suspend=True)
    made.receive(*(f"batch-{number}" for number in range(MAX_STORED))).settle()
    made.later(days=30).settle()
    assert stored(made) == MAX_STORED


def test_events_of_a_run_at_work_stay_until_it_has_ended() -> None:
    made = world()
    made.receive("batch-1", "batch-2").settle()
    made.later(hours=5).settle()
    assert stored(made) == 2, "a run that is dropped before it begins gives its causes back"
    finish(made)
    made.settle()
    assert stored(made) == 1


def test_as_many_events_as_may_be_stored_are_one_run_with_a_status_that_the_api_server_takes() -> None:
    longest = "x" * MAX_ATTRIBUTE
    trigger = {"name": "r" * 63, "event": {"type": longest, "source": longest, "subject": longest}}
    made = world(trigger, suspend=True)
    ids = [f"{number:03}{longest[3:]}" for number in range(MAX_STORED)]
    made.receive(*ids, type=longest, source=longest, subject=longest, time="t" * MAX_TIME).settle()
    made.edit(suspend=False).settle()
    active = made.status["activeRun"]
    assert len(active["reasons"]) <= 20
    assert all(len(reason) <= 316 for reason in active["reasons"])
    (run,) = read_runs(made.observe().facts)
    assert len(run.origin.causes) == MAX_STORED
    finish(made)
    assert len(made.last_run["reasons"]) <= 20
    variables = made.job["spec"]["template"]["spec"]["containers"][0]["env"]
    whole = next(one["value"] for one in variables if one["name"] == "VIRIDIAN_REASONS")
    assert len(whole) < 128 * 1024, "a longer variable keeps a container from starting"
    assert len(json.dumps(made.job["metadata"]["annotations"])) < 256 * 1024


def test_an_event_that_lost_its_owner_counts_for_the_policy_that_it_names() -> None:
    made = world(suspend=True)
    made.receive("batch-1").orphan_records()
    event = next(one for one in made.records.values() if "received" in one["data"])
    assert belongs(event, "policy-1") is Belongs.ORPHAN
    made.edit(suspend=False).settle()
    assert causes(made) == [["batch-1"]]


def test_without_a_receiver_the_condition_says_how_to_start_one() -> None:
    made = world()
    made.receive("batch-1")
    made.receives_events = False
    made.settle()
    assert made.condition("Stalled") == ("True", "ReceiverNotConfigured")
    assert "--events-port" in made.message("Stalled")
    assert causes(made) == [["batch-1"]], "what was stored before is answered"

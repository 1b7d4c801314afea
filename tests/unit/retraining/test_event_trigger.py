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


# ---- what the operator has done itself

REGISTRY = {"name": "registry", "event": {"type": "mlflow.*", "subject": "churn"}}
OF_CHURN = {"source": "mlflow", "subject": "churn"}


def version_created(made: World, version: str, run: str = "") -> World:
    more = {"run": run} if run else {}
    return made.receive(f"made-{version}", type="mlflow.model_version.created", version=version, **OF_CHURN, **more)


def alias_set(made: World, alias: str, version: str, subject: str = "churn") -> World:
    name = f"{subject}-{alias}-{version}-{made.now:%H%M%S}"
    attributes = {**OF_CHURN, "subject": subject, "alias": alias, "version": version}
    return made.receive(name, type="mlflow.model_version_alias.created", **attributes)


def with_a_run(*triggers: dict[str, Any], **spec: Any) -> World:
    """Somebody has registered version 1; the run for it has made version 2, which was handed over."""
    made = world(*(triggers or (REGISTRY,)), **spec)
    made.registry.add_version("churn")
    version_created(made, "1").settle()
    finish(made)
    assert (made.last_run["outcome"], made.last_run["version"]) == ("HandedOver", "2")
    return made


def mlflow_run(made: World) -> str:
    """Of the newest run."""
    return read_runs(made.observe().facts)[0].mlflow_run


def test_the_version_that_a_run_has_made_and_the_aliases_that_follow_it_start_no_other_run() -> None:
    made = with_a_run()
    run = mlflow_run(made)
    version_created(made, "2", run).settle()
    for alias, version in (("candidate", "2"), ("champion", "2"), ("previous", "1"), ("champion", "1")):
        alias_set(made.later(minutes=1), alias, version).settle()
    made.later(hours=30).settle()
    assert causes(made) == [["made-1"]]
    assert made.condition("Ready")[0] == "True"


def test_versions_and_aliases_of_people_and_other_systems_start_runs() -> None:
    made = with_a_run()
    made.registry.add_version("churn", run_id="of-a-notebook")
    version_created(made.later(hours=1), "3", "of-a-notebook").settle()
    finish(made)
    alias_set(made.later(hours=1), "candidate", "3").settle()
    finish(made)
    alias_set(made.later(hours=1), "gold", "2").settle()
    finish(made)
    first = [ids[0].rsplit("-", 1)[0] for ids in causes(made)]
    assert first == ["made", "made", "churn-candidate-3", "churn-gold-2"]


def test_what_happens_to_another_model_is_news_whatever_it_is_called() -> None:
    other = {"name": "other", "event": {"type": "mlflow.*", "subject": "prices"}}
    made = with_a_run(REGISTRY, other)
    alias_set(made.later(hours=1), "champion", "2", subject="prices").settle()
    assert len(causes(made)) == 2


def test_an_event_that_comes_while_the_run_is_at_work_starts_none_afterwards() -> None:
    """MLflow sends it as soon as the script of the run, or the operator, has written."""
    made = world(REGISTRY)
    version_created(made, "1").settle()
    version_created(made, "2", made.mlflow_run)
    alias_set(made, "candidate", "1")
    made.registry.add_version("churn")
    made.settle()
    assert causes(made) == [["made-1"]]


def test_a_run_stays_known_for_as_long_as_an_event_about_its_version_is_stored() -> None:
    made = with_a_run(history={"runs": 1})
    version_created(made, "2", mlflow_run(made)).settle()
    for number in range(3):
        made.later(hours=1).ask_by_hand(f"again {number}").settle()
        finish(made)
    made.later(hours=1).settle()
    assert sum("made-2" in ids for ids in causes(made)) == 0
    assert stored(made) == 1, "the newest one, which the status shows"


def test_a_registry_event_in_another_format_is_believed_to_be_news() -> None:
    """A CloudEvent shows neither version nor MLflow run."""
    made = with_a_run()
    made.later(hours=1).receive("forwarded", type="mlflow.model_version.created", **OF_CHURN).settle()
    assert len(causes(made)) == 2


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

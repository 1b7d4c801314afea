"""Memory that others may delete is no memory: Jobs go, the status goes, records lose their owner, a namesake comes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.retraining.world import World, now_of, policy
from viridian.api.names import RUN_ANNOTATION
from viridian.api.registry import TAG_GATE, RunStatus

DAILY = {"name": "daily", "schedule": {"cron": "0 13 * * *"}}
DATA = {"uri": "s3://data", "revision": "1"}


def training(*triggers: dict[str, Any], **spec: Any) -> World:
    """A run that a person asked for and whose Job was seen at work."""
    world = World(policy=policy(*triggers, **spec))
    world.settle()
    world.ask_by_hand("one").settle()
    return world


def removed(world: World) -> World:
    """The Job has gone the moment it ended, and so has the status."""
    world.remove_ended_jobs().forget_status().settle()
    return world


# ---- Jobs that ended, and are gone


def test_bad_data_pauses_schedules_without_the_job() -> None:
    world = training(DAILY, data=DATA)
    world.end(64, {"failures": ["age is empty"]}).settle()
    removed(world)
    assert world.condition("Paused") == ("True", "DataQualityFailed")
    assert "age is empty" in world.message("DataQuality")
    world.at("2026-11-21T13:00:00Z").settle()
    assert len(world.made) == 1
    assert world.last_run["outcome"] == "DataQualityFailed"


def test_the_cooldown_and_the_answered_value_outlive_the_job() -> None:
    world = training(DAILY, budget={"cooldown": "2h"})
    world.at("2026-11-20T12:30:00Z").end(66).settle()
    removed(world).at("2026-11-20T13:00:00Z").settle()
    assert len(world.made) == 1
    assert "waits until 2026-11-20T14:30:00Z" in world.message("Ready")
    world.at("2026-11-20T14:30:00Z").settle()
    assert world.status["activeRun"]["reasons"] == ["schedule:daily:2026-11-20T13:00:00Z"]


@pytest.mark.parametrize("seen", [True, False], ids=["the watch saw its end", "nobody saw its end"])
def test_a_good_training_whose_job_is_gone_before_anybody_looked(seen: bool) -> None:
    world = training()
    world.train(auc=0.9).job_is_deleted(seen=seen).settle()
    assert world.told == ["RunStarted", "GatePassed", "HandedOver"]
    assert world.last_run["outcome"] == "HandedOver"
    assert world.registry.runs()[0].status is RunStatus.FINISHED
    assert world.registry.versions("churn")["1"].tags[TAG_GATE].startswith("HandedOver")
    world.later(days=3).forget_status().settle()
    assert len(world.made) == 1


@pytest.mark.parametrize(("code", "outcome"), [(64, "DataQualityFailed"), (65, "Rejected"), (66, "Skipped")])
def test_an_exit_code_is_known_by_the_last_that_was_seen_of_the_pod(code: int, outcome: str) -> None:
    world = training()
    world.end(code, {"failures": ["said"]})
    world.job["status"] = {}
    world.job_is_deleted().settle()
    assert world.last_run["outcome"] == outcome


def test_a_trainer_that_closed_its_mlflow_run_with_an_error_has_failed() -> None:
    world = training()
    now_of(world.registry.finish_run(world.mlflow_run, RunStatus.FAILED))
    world.job_is_deleted(seen=False).settle()
    assert world.last_run["outcome"] == "Failed"
    assert "its MLflow run was closed as FAILED" in world.last_run["message"]


def test_a_job_that_went_after_it_was_seen_to_end_is_judged_by_what_was_seen() -> None:
    world = training()
    world.train(auc=0.9)
    world.once()
    world.jobs.clear()
    world.pods.clear()
    world.settle()
    assert world.last_run["outcome"] == "HandedOver"


# ---- Jobs that were deleted while they ran


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "unseen"])
@pytest.mark.parametrize("status", ["kept", "deleted"])
def test_a_job_that_is_deleted_while_it_runs_is_a_cancelled_run(seen: bool, status: str) -> None:
    world = training(DAILY)
    world.job_is_deleted(seen=seen)
    if status == "deleted":
        world.forget_status()
    world.settle()
    assert world.registry.runs()[0].status is RunStatus.KILLED
    assert world.told == ["RunStarted", "RunCancelled"]
    assert world.last_run["outcome"] == "Cancelled"
    assert "was deleted before it had ended" in world.last_run["message"]
    world.forget_status().later(days=30).settle()
    assert len(world.made) == 1


def test_a_run_that_somebody_was_seen_to_cancel_hands_nothing_over() -> None:
    """The model that it had logged so far is a checkpoint, and the version that the script made of it is marked."""
    world = training()
    world.registry.log(world.mlflow_run, model_uri="models:/m-1", metrics={"auc": 0.9})
    version = now_of(world.registry.register("churn", world.mlflow_run, "models:/m-1", {}))
    world.job_is_deleted().settle()
    assert world.last_run["outcome"] == "Cancelled"
    assert world.aliases() == {}
    assert world.registry.versions("churn")[version].tags[TAG_GATE].startswith("Cancelled")


def test_pods_that_go_on_without_their_job_are_waited_for() -> None:
    world = training()
    name = world.made[0]
    world.pods[name] = [world.pod({"running": {}})]
    world.jobs.clear()
    world.settle()
    assert world.condition("Ready") == ("True", "RunActive")
    assert world.registry.runs()[0].status is RunStatus.RUNNING
    world.registry.log(world.registry.runs()[0].run_id, model_uri="models:/m-1", metrics={"auc": 0.9})
    world.pods[name][0]["status"] |= {"phase": "Succeeded"}
    world.pods[name][0]["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0}}
    world.settle()
    assert world.last_run["outcome"] == "HandedOver"


def test_a_job_that_goes_in_the_foreground_while_it_runs_is_cancelled_at_once() -> None:
    world = training()
    world.job["metadata"]["deletionTimestamp"] = "2026-11-20T12:00:00Z"
    world.settle()
    assert world.last_run["outcome"] == "Cancelled"


# ---- records


def test_records_that_lost_their_owner_are_adopted_again() -> None:
    world = training(DAILY)
    world.train(auc=0.9).settle()
    world.orphan_records().forget_status().settle()
    assert all(record["metadata"]["ownerReferences"] for record in world.records.values())
    assert len(world.made) == 1
    assert world.last_run["outcome"] == "HandedOver"


def test_a_namesake_inherits_nothing_from_records_without_an_owner() -> None:
    world = training(DAILY, data=DATA)
    world.end(64).settle()
    world.orphan_records().forget_status()
    world.policy["metadata"] |= {"uid": "policy-2", "annotations": {}}
    world.settle()
    assert world.condition("Paused") == ("False", "NotPaused")
    assert "runs" not in world.status
    assert not any(record["metadata"]["ownerReferences"] for record in world.runs)


def test_a_record_that_somebody_deleted_is_made_again_from_its_job() -> None:
    world = training()
    for record in world.runs:
        del world.records[record["metadata"]["name"]]
    world.ask_by_hand("").forget_status().settle()
    assert world.status["activeRun"]["reasons"] == ["manual:one"]
    world.train(auc=0.9).settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert len(world.made) == 1


def test_a_run_of_which_only_mlflow_knows_is_not_made_again() -> None:
    world = training()
    world.train(auc=0.9).settle()
    world.jobs.clear()
    world.records.clear()
    world.forget_status().settle()
    assert len(world.made) == 1
    assert (world.last_run["outcome"], world.last_run["version"]) == ("HandedOver", "1")
    assert list(world.registry.versions("churn")) == ["1"]


def test_old_runs_go_with_their_jobs_and_the_evidence_stays() -> None:
    world = training(DAILY, history={"runs": 1})
    world.train(auc=0.9).settle()
    for number in range(3):
        world.later(hours=1).policy["metadata"]["annotations"][RUN_ANNOTATION] = f"value {number}"
        world.settle()
        world.train(auc=0.9).settle()
        world.remove_ended_jobs()
    world.settle()
    assert [run["reasons"] for run in world.status["runs"]] == [
        ["schedule:daily:2026-11-20T13:00:00Z", "manual:value 0"],
        ["manual:value 2"],
    ][::-1]
    assert len(world.runs) == 2


# ---- a registry that does not answer


def test_what_was_due_is_not_forgotten_with_the_status_while_mlflow_is_away() -> None:
    world = World(policy=policy(DAILY))
    world.settle()
    world.registry.unavailable = True
    world.at("2026-11-20T13:00:00Z").settle()
    world.later(hours=5).forget_status().settle()
    world.registry.unavailable = False
    world.settle()
    assert world.status["activeRun"]["reasons"] == ["schedule:daily:2026-11-20T13:00:00Z"]


@pytest.mark.parametrize("withdrawal", ["suspended", "trigger removed", "schedule edited"])
def test_a_run_that_nobody_wants_any_more_before_it_began_is_dropped(withdrawal: str) -> None:
    world = World(policy=policy(DAILY))
    world.settle()
    world.registry.unavailable = True
    world.at("2026-11-20T13:00:00Z").settle()
    edited = {"name": "daily", "schedule": {"cron": "0 14 * * *"}}
    changes: dict[str, dict[str, Any]] = {
        "suspended": {"suspend": True},
        "trigger removed": {"triggers": []},
        "schedule edited": {"triggers": [edited]},
    }
    world.edit(**changes[withdrawal])
    world.registry.unavailable = False
    world.settle()
    assert (world.made, world.runs) == ([], [])

"""What becomes of a policy's runs, from the cause to the outcome, in the little world."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.retraining.world import World, deployment, policy, weekly
from viridian.api.registry import TAG_DATA, TAG_GATE, TAG_HOLDOUT, TAG_METRICS, TAG_OUTCOME, TAG_REASON, RunStatus
from viridian.core.obstacles import Obstacle
from viridian.core.plan import Apply
from viridian.retraining.decide import decide
from viridian.retraining.interpret import with_obstacles

SUNDAY = "2026-11-22T03:00:05Z"
NEXT_SUNDAY = "2026-11-29T03:00:05Z"
FLOOR = {"metrics": [{"name": "auc", "min": 0.75}]}


def scheduled(**spec: Any) -> World:
    """A weekly policy on the Sunday on which it is due."""
    world = World(policy=policy(weekly(), **spec))
    world.settle()
    return world.at(SUNDAY)


def by_hand(**spec: Any) -> World:
    """A policy without triggers whose first run was asked for and is training."""
    world = World(policy=policy(**spec))
    world.settle()
    world.ask_by_hand("one").settle()
    return world


def test_at_rest_nothing_is_asked_and_nothing_is_written() -> None:
    world = World(policy=policy(weekly()))
    plan = world.settle()
    assert world.condition("Ready") == ("True", "Waiting")
    assert world.status["nextScheduled"] == "2026-11-22T03:00:00Z"
    assert plan.wake is not None
    assert plan.wake.isoformat() == "2026-11-22T03:00:00+00:00"
    world.registry.calls.clear()
    before = world.writes
    for _ in range(3):
        world.later(hours=8).settle()
    assert world.writes == before
    assert not world.registry.calls


def test_a_due_schedule_starts_one_run() -> None:
    world = scheduled()
    world.settle()
    assert len(world.made) == 1
    assert world.status["activeRun"]["reasons"] == ["schedule:weekly:2026-11-22T03:00:00Z"]
    assert world.condition("Ready") == ("True", "RunActive")
    assert world.condition("Reconciling") == ("", "")
    assert world.told == ["RunStarted"]
    assert [run.status for run in world.registry.runs()] == [RunStatus.RUNNING]


def test_a_good_candidate_is_registered_judged_and_handed_over() -> None:
    world = by_hand(gate=FLOOR)
    run = world.status["activeRun"]["id"]
    world.later(minutes=10).train(auc=0.9, tags={TAG_HOLDOUT: "sha256:h"}).settle()
    version = world.registry.versions("churn")["1"]
    assert version.tags[TAG_GATE] == "HandedOver: there is no champion yet; auc 0.9 is within its bounds"
    assert TAG_OUTCOME not in version.tags, "that is for the rollout to write"
    assert json.loads(version.tags[TAG_METRICS]) == {"auc": 0.9}
    assert version.tags[TAG_HOLDOUT] == "sha256:h"
    assert world.registry.runs()[0].status is RunStatus.FINISHED
    assert world.last_run == {
        "id": run,
        "outcome": "HandedOver",
        "reasons": ["manual:one"],
        "message": "there is no champion yet; auc 0.9 is within its bounds",
        "version": "1",
        "metrics": {"auc": 0.9},
        "startedAt": "2026-11-20T12:00:00Z",
        "finishedAt": "2026-11-20T12:10:00Z",
    }
    assert "activeRun" not in world.status
    assert world.told == ["RunStarted", "GatePassed", "HandedOver"]
    assert world.condition("DataQuality") == ("True", "DataAccepted")
    assert world.outcomes()[run]["outcome"] == "HandedOver"


def test_a_bad_candidate_stays_registered_with_the_reason() -> None:
    world = by_hand(gate=FLOOR)
    world.train(auc=0.5).settle()
    version = world.registry.versions("churn")["1"]
    assert version.tags[TAG_OUTCOME] == "Rejected"
    assert "below its minimum 0.75" in version.tags[TAG_REASON]
    assert "candidate" not in world.aliases()
    assert world.last_run["outcome"] == "Rejected"
    assert world.told == ["RunStarted", "GateFailed"]
    assert world.condition("Ready") == ("True", "Waiting")


def test_the_trainer_saying_that_it_passed_counts_for_nothing() -> None:
    world = by_hand(gate=FLOOR)
    world.train(auc=0.5, passed=1.0, tags={TAG_GATE: "HandedOver: sure"}).settle()
    assert world.last_run["outcome"] == "Rejected"


def test_numbers_in_the_termination_message_count_like_logged_ones() -> None:
    world = by_hand(gate=FLOOR)
    uri = f"runs:/{world.mlflow_run}/model"
    said = {"metrics": {"auc": 0.8}, "holdout": "sha256:h", "model": {"uri": uri, "digest": "sha256:d"}}
    world.end(0, said).settle()
    version = world.registry.versions("churn")["1"]
    assert (version.source, version.digest) == (uri, "sha256:d")
    assert world.last_run["outcome"] == "HandedOver"


DATA = {"uri": "s3://churn", "revision": "7"}
READ = {"uri": "s3://churn/latest", "digest": "sha256:r"}


@pytest.mark.parametrize(
    ("spec", "told", "noted"),
    [
        ({"data": DATA}, {}, DATA),
        ({"data": DATA}, {"data": READ}, READ),
        ({}, {"data": {**READ, "rows": 7}}, READ),
        ({"data": DATA}, {"data": "s3://elsewhere"}, DATA),
        ({}, {}, {}),
    ],
    ids=["given", "told", "only told", "told in a shape that is not agreed", "nothing"],
)
def test_a_version_is_noted_with_what_it_was_trained_on(
    spec: dict[str, Any], told: dict[str, Any], noted: dict[str, str]
) -> None:
    world = by_hand(gate=FLOOR, **spec)
    world.end(0, {"metrics": {"auc": 0.8}, "model": {"uri": f"runs:/{world.mlflow_run}/model"}, **told}).settle()
    tags = world.registry.versions("churn")["1"].tags
    assert {tag.removeprefix(TAG_DATA): tags[tag] for tag in tags if tag.startswith(TAG_DATA)} == noted


def test_a_later_candidate_is_compared_with_what_the_champion_once_reported_on_the_same_rows() -> None:
    world = by_hand()
    world.train(auc=0.9, tags={TAG_HOLDOUT: "sha256:h"}).settle()
    world.serve("1").later(days=1).ask_by_hand("two").settle()
    world.train(auc=0.7, tags={TAG_HOLDOUT: "sha256:h"}).settle()
    assert world.last_run["outcome"] == "Rejected"
    assert "worse than the champion's 0.9" in world.last_run["message"]
    assert world.aliases()["candidate"] == "1"


def test_the_alias_champion_is_believed_where_the_deployment_tells_nothing() -> None:
    world = by_hand()
    version = world.registry.add_version("churn")
    world.registry.move_alias("churn", "champion", version)
    world.train(auc=0.9).settle()
    assert world.last_run["outcome"] == "Rejected"
    assert "cannot be compared with the champion, version 1" in world.last_run["message"]


def test_a_champion_that_took_over_during_the_training_was_not_judged_by_it() -> None:
    world = by_hand()
    world.serve("7").train(auc=0.9, champion_auc=0.1).settle()
    assert "took over while this candidate was made" in world.last_run["message"]


def test_a_champion_that_the_training_judged() -> None:
    world = World(policy=policy()).serve("7")
    world.settle()
    world.ask_by_hand("one").settle()
    world.train(auc=0.9, champion_auc=0.8).settle()
    assert world.last_run["outcome"] == "HandedOver"


@pytest.mark.parametrize(
    ("code", "said", "outcome", "mlflow", "event", "message"),
    [
        (64, {"failures": ["age is empty"]}, "DataQualityFailed", RunStatus.FAILED, "DataQualityFailed",
         "the data is not good enough: age is empty"),
        (65, {"failures": ["no parity"]}, "Rejected", RunStatus.FINISHED, "GateFailed",
         "the training stage rejected its candidate: no parity"),
        (66, {"failures": []}, "Skipped", RunStatus.FINISHED, "RunSkipped", "there was nothing to do"),
        (1, "Traceback …\nValueError: no such column", "Failed", RunStatus.FAILED, "RunFailed",
         "training failed with exit code 1: Traceback … ValueError: no such column"),
        (137, "", "Failed", RunStatus.FAILED, "RunFailed", "training failed with exit code 137"),
    ],
)  # fmt: skip
def test_other_endings(
    code: int, said: str | dict[str, Any], outcome: str, mlflow: RunStatus, event: str, message: str
) -> None:
    world = by_hand()
    world.end(code, said).settle()
    assert (world.last_run["outcome"], world.last_run["message"]) == (outcome, message)
    assert world.registry.runs()[0].status is mlflow
    assert world.told == ["RunStarted", event]
    assert world.registry.versions("churn") == {}


def test_a_candidate_that_its_own_stage_rejected_is_registered_all_the_same() -> None:
    world = by_hand()
    world.registry.log(world.mlflow_run, model_uri="models:/m-1", metrics={"auc": 0.9})
    world.end(65).settle()
    assert world.registry.versions("churn")["1"].tags[TAG_OUTCOME] == "Rejected"
    assert world.last_run["version"] == "1"
    assert world.aliases() == {}


def test_the_deadline_says_what_it_was() -> None:
    world = by_hand()
    world.end(143, reason="DeadlineExceeded").settle()
    assert world.last_run["message"] == "training did not end within its timeout, now 6h"


def test_an_exit_code_is_still_known_when_the_pods_are_gone() -> None:
    world = by_hand()
    world.end(64)
    world.pods.clear()
    message = "Container train for pod ml/churn-x failed with exit code 64 matching FailJob rule at index 1"
    world.job["status"]["conditions"][0] |= {"reason": "PodFailurePolicy", "message": message}
    world.settle()
    assert world.last_run["outcome"] == "DataQualityFailed"


def test_a_report_that_went_with_its_pod_is_told_as_such() -> None:
    world = by_hand()
    world.end(0)
    world.pods.clear()
    world.settle()
    assert world.last_run["outcome"] == "Failed"
    assert "its pod was deleted before its report could be read" in world.last_run["message"]


def test_what_mlflow_knows_of_a_run_is_enough_when_its_pod_is_gone() -> None:
    world = by_hand()
    world.train(auc=0.9)
    world.pods.clear()
    world.settle()
    assert world.last_run["outcome"] == "HandedOver"


@pytest.mark.parametrize("logged", [True, False])
def test_training_that_makes_no_model_has_failed(logged: bool) -> None:
    world = by_hand()
    world.train(model=False, auc=0.9) if logged else world.end(0)
    world.settle()
    assert world.last_run["outcome"] == "Failed"
    assert "made no model" in world.last_run["message"]


def test_the_outcome_of_a_run_is_final_whoever_moves_the_alias_later() -> None:
    world = by_hand()
    world.train(auc=0.9).settle()
    world.registry.add_version("churn")
    world.registry.move_alias("churn", "candidate", "2")
    world.later(hours=1).settle()
    world.forget_status().settle()
    assert world.aliases()["candidate"] == "2"


def test_an_alias_that_a_person_moved_before_the_outcome_was_written_stays_moved() -> None:
    world = by_hand()
    world.train(auc=0.9)
    while TAG_GATE not in (world.registry.versions("churn").get("1") or _NoVersion).tags:
        world.once()
    world.registry.add_version("churn")
    world.registry.move_alias("churn", "candidate", "2")
    world.settle()
    assert world.aliases()["candidate"] == "2"
    assert world.last_run["outcome"] == "HandedOver"


def test_a_candidate_that_serves_already_is_not_its_own_rival() -> None:
    """The operator was away between the alias and the outcome, and the rollout was quick."""
    world = by_hand(gate={"margin": 0})
    world.train(auc=0.9)
    while "candidate" not in world.aliases():
        world.once()
    world.serve("1")
    world.registry.move_alias("churn", "champion", "1")
    world.settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert "there is no champion yet" in world.last_run["message"]


class _NoVersion:
    tags: dict[str, str] = {}  # noqa: RUF012


@pytest.mark.parametrize(
    ("change", "reason", "stalled", "says"),
    [
        (lambda w: setattr(w, "deployment", None), "ModelDeploymentNotFound", "False", "create it, or name another"),
        (lambda w: setattr(w, "deployment", deployment(registry={"name": "churn", "version": "7"})),
         "NothingToHandOverTo", "True", "pins version 7"),
        (lambda w: setattr(w, "deployment", deployment(uri="s3://models/churn", digest="sha256:0")),
         "NothingToHandOverTo", "True", "names no model of the registry"),
        (lambda w: setattr(w, "mlflow_uri", None), "RegistryNotConfigured", "True", "--mlflow-uri"),
        (lambda w: setattr(w.registry, "unavailable", True), "RegistryUnavailable", "False", "does not answer"),
        (lambda w: setattr(w.registry, "refusal", "403: allow the host mlflow"), "RegistryRefused", "True",
         "allow the host"),
        (lambda w: w.edit(stages={"training": {"template": {"spec": {"containers": []}}}}), "InvalidSpec", "True",
         "write spec.containers"),
        (lambda w: w.edit(stages={}), "InvalidSpec", "True", "does not fit the schema"),
    ],
)  # fmt: skip
def test_what_keeps_a_due_run_from_starting(change: Any, reason: str, stalled: str, says: str) -> None:
    world = scheduled()
    change(world)
    world.settle()
    assert world.made == []
    assert world.condition("Ready") == ("False", reason)
    assert world.condition("Stalled" if stalled == "True" else "Reconciling") == ("True", reason)
    assert world.condition("Reconciling" if stalled == "True" else "Stalled") == ("", "")
    assert says in world.message("Ready")


def test_a_silent_registry_loses_nothing_and_doubles_nothing() -> None:
    world = scheduled()
    world.registry.unavailable = True
    world.settle()
    world.later(hours=5).settle()  # long after the deadline
    world.registry.unavailable = False
    world.settle()
    assert world.status["activeRun"]["reasons"] == ["schedule:weekly:2026-11-22T03:00:00Z"]
    world.train(auc=0.9)
    world.registry.unavailable = True
    world.settle()
    assert world.condition("Ready") == ("False", "RegistryUnavailable")
    world.registry.unavailable = False
    world.later(hours=5).settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert len(world.made) == len(world.registry.runs()) == len(world.registry.versions("churn")) == 1


def test_what_was_made_waits_until_there_is_someone_to_hand_it_to() -> None:
    world = by_hand()
    world.deployment = None
    world.train(auc=0.9).settle()
    assert world.condition("Ready") == ("False", "ModelDeploymentNotFound")
    assert world.status["activeRun"]["job"] == world.made[0]
    world.later(days=3).deployment = deployment()
    world.settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert world.condition("Ready") == ("True", "Waiting")


@pytest.mark.parametrize(
    ("refused", "condition", "reason"), [(True, "Stalled", "ApplyRefused"), (False, "Reconciling", "ApplyUnavailable")]
)
def test_a_write_that_the_api_server_does_not_take_is_told_and_nothing_else_is_claimed(
    refused: bool, condition: str, reason: str
) -> None:
    world = scheduled()
    while not any(isinstance(action, Apply) and action.target[0] == "Job" for action in world.decide().actions):
        world.once()
    given, plan = world.observe(), world.decide()
    (job,) = (action for action in plan.actions if isinstance(action, Apply) and action.target[0] == "Job")
    obstacle = Obstacle(*job.target, "admission webhook denied the request: no quota", refused=refused)
    plan = decide(with_obstacles(given, {job.target: obstacle}))
    assert job in plan.actions, "it is tried again"
    assert [event.reason for event in plan.news] == ["Stalled" if refused else "ApplyUnavailable"]
    assert plan.status is not None
    told = {c["type"]: c for c in plan.status["conditions"]}
    assert told["Ready"]["status"] == "False"
    assert (told[condition]["status"], told[condition]["reason"]) == ("True", reason)
    assert obstacle.message in told["Ready"]["message"]
    assert "job" not in plan.status["activeRun"], "it is not there yet"
    world.settle()
    assert len(world.made) == 1


def test_a_job_is_never_changed_by_a_later_edit() -> None:
    world = by_hand()
    before = json.dumps(world.job)
    container = {"name": "train", "image": "ghcr.io/acme/churn-train:2"}
    world.edit(stages={"training": {"template": {"spec": {"containers": [container]}}}}).settle()
    assert json.dumps(world.job) == before
    world.train(auc=0.9).settle()
    world.ask_by_hand("two").settle()
    assert world.job["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":2")


def test_deleting_the_job_of_a_run_cancels_it() -> None:
    world = by_hand()
    world.jobs.clear()
    world.settle()
    assert world.registry.runs()[0].status is RunStatus.KILLED
    assert world.told == ["RunStarted", "RunCancelled"]
    assert "activeRun" not in world.status
    world.later(days=1).settle()
    world.forget_status().settle()
    assert len(world.made) == 1
    world.ask_by_hand("two").settle()
    assert len(world.made) == 2


def test_deleting_the_job_of_a_scheduled_run_cancels_it() -> None:
    world = scheduled()
    world.settle()
    world.jobs.clear()
    world.settle()
    world.forget_status().settle()
    assert len(world.made) == 1
    assert world.status["triggers"][0]["lastFired"] == "2026-11-22T03:00:00Z"
    world.at(NEXT_SUNDAY).settle()
    assert len(world.made) == 2


def test_a_pod_that_cannot_start_is_told_of() -> None:
    world = by_hand()
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    world.pods[world.made[0]] = [world.pod(state, "Pending")]
    world.settle()
    assert "training does not run: train: ImagePullBackOff: no such image" in world.message("Ready")

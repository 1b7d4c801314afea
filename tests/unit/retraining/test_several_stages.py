"""A run of several stages: their order, what each is given, and what the end of each means for the run."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.unit.retraining.world import World, now_of, policy, stage_spec
from viridian.api.names import MAX_RETRAIN_POLICY_NAME, stage_job
from viridian.api.registry import RunStatus
from viridian.api.stage import StageName
from viridian.core.times import format_time

ALL = tuple(name.value for name in StageName)


def world_of(*names: str, **spec: Any) -> World:
    """A policy with these stages, whose run was asked for and has begun."""
    stages = {name: stage_spec(f"ghcr.io/acme/{name.lower()}:1") for name in names}
    world = World(policy=policy(stages=stages, **spec)).ask_by_hand("one")
    world.settle()
    return world


def pass_stage(world: World, **report: Any) -> World:
    """The stage at work ends well; training logs a model."""
    world.later(minutes=10)
    if world.variables["VIRIDIAN_STAGE"] == StageName.TRAINING:
        world.registry.log(world.mlflow_run, metrics={"auc": 0.9}, model_uri=f"models:/m-{world.mlflow_run}")
    world.end(0, report or "")
    world.settle()
    return world


def until(world: World, stage: str) -> World:
    """All stages before that one have ended well."""
    while world.variables["VIRIDIAN_STAGE"] != stage:
        pass_stage(world)
    return world


def test_stages_run_one_after_the_other_in_their_order() -> None:
    world = world_of(*reversed(ALL))
    begun = []
    for _ in ALL:
        begun.append(world.variables["VIRIDIAN_STAGE"])
        assert world.status["activeRun"]["stage"] == begun[-1]
        assert world.stage_states() == {
            name: "Running" if name == begun[-1] else "Complete" if name in begun else "Pending" for name in ALL
        }
        pass_stage(world)
    assert begun == list(ALL)
    assert len(world.made) == len(ALL)
    assert world.last_run["outcome"] == "HandedOver"
    assert set(world.stage_states().values()) == {"Complete"}


def test_a_stage_begins_only_after_the_recorded_end_of_the_one_before_it() -> None:
    world = world_of(*ALL)
    while "activeRun" in world.status:
        world.settle()
        assert len([job for job in world.jobs.values() if "status" not in job]) == 1, (
            "one at a time, however often it looks"
        )
        pass_stage(world)
    times = [(stage["startedAt"], stage["finishedAt"]) for stage in world.status["stages"]]
    assert all(began < ended for began, ended in times)
    assert all(ended <= began for (_, ended), (began, _) in pairwise(times))


def test_stages_that_a_policy_leaves_out_are_not_shown() -> None:
    world = world_of("training")
    assert world.stage_states() == {"training": "Running"}
    assert [stage["name"] for stage in world_of(*reversed(ALL)).status["stages"]] == list(ALL), "in their order"


@pytest.mark.parametrize(
    ("stage", "code", "outcome", "says"),
    [
        *[(stage, 64, "DataQualityFailed", "age is empty") for stage in ALL],
        ("dataValidation", 65, "Failed", "dataValidation failed with exit code 65"),
        ("features", 65, "Failed", "features failed with exit code 65"),
        *[(stage, 65, "Rejected", f"the {stage} stage rejected its candidate: age is empty") for stage in ALL[2:]],
        *[(stage, 66, "Skipped", "nothing to do") for stage in ALL[:3]],
        *[(stage, 66, "Failed", f"{stage} failed with exit code 66") for stage in ALL[3:]],
        *[(stage, 1, "Failed", f"{stage} failed with exit code 1") for stage in ALL[:4]],
        ("tests", 1, "Rejected", "the tests stage rejected its candidate: age is empty"),
        ("tests", 2, "Failed", "tests failed with exit code 2"),
    ],
)
def test_what_an_exit_code_means_in_a_stage(stage: str, code: int, outcome: str, says: str) -> None:
    world = until(world_of(*ALL), stage)
    if stage == StageName.TRAINING:
        world.registry.log(world.mlflow_run, model_uri=f"models:/m-{world.mlflow_run}")
    world.end(code, {"failures": ["age is empty"]}).settle()
    assert world.last_run["outcome"] == outcome
    assert says in world.last_run["message"]
    states = world.stage_states()
    assert states[stage] == "Failed"
    later = world.status["stages"][ALL.index(stage) + 1 :]
    assert {(one["state"], one["message"]) for one in later} <= {("Skipped", f"the run ended before it: {outcome}")}
    assert len(states) == len(ALL)
    assert world.variables["VIRIDIAN_STAGE"] == stage, "nothing begins after it"


@pytest.mark.parametrize("stage", ["evaluation", "tests"])
def test_a_candidate_that_a_later_stage_rejects_is_registered_with_the_reason(stage: str) -> None:
    world = until(world_of(*ALL), stage)
    world.end(65, {"failures": ["worse in the north"]}).settle()
    (version,) = world.registry.versions("churn").values()
    assert version.tags["viridian.outcome"] == "Rejected"
    assert "worse in the north" in version.tags["viridian.reason"]
    assert "candidate" not in world.aliases()


def test_failing_tests_are_not_tried_again() -> None:
    world = until(world_of("training", "tests"), "tests")
    (_, final) = world.job["spec"]["podFailurePolicy"]["rules"]
    assert final["onExitCodes"]["values"] == [1, 64, 65, 66]


def test_numbers_of_all_stages_count_and_the_later_one_where_both_report_it() -> None:
    world = World(policy=policy(stages={name: stage_spec() for name in ("features", "training", "evaluation")}))
    world.ask_by_hand("one").settle()
    world.end(0, {"metrics": {"columns": 12, "auc": 0.1}}).settle()
    world.registry.log(world.mlflow_run, model_uri=f"models:/m-{world.mlflow_run}")
    world.end(0, {"metrics": {"auc": 0.7, "loss": 0.4}}).settle()
    world.end(0, {"metrics": {"auc": 0.8}, "holdout": "sha256:h"}).settle()
    assert world.last_run["metrics"] == {"columns": 12, "auc": 0.8, "loss": 0.4}
    (version,) = world.registry.versions("churn").values()
    assert version.tags["viridian.holdout"] == "sha256:h"


def test_the_model_is_what_training_made_whatever_a_later_stage_names() -> None:
    world = until(world_of("training", "evaluation"), "evaluation")
    world.end(0, {"model": {"uri": "runs:/another/model"}}).settle()
    (version,) = world.registry.versions("churn").values()
    assert version.source == f"models:/m-{world.mlflow_run}"


def test_the_mlflow_run_stays_open_until_the_last_stage() -> None:
    world = world_of(*ALL)
    runs = set()
    for _ in ALL:
        runs.add(world.mlflow_run)
        assert [run.status for run in world.registry.runs()] == [RunStatus.RUNNING]
        pass_stage(world)
    assert len(runs) == 1, "all stages log to the same one"
    assert [run.status for run in world.registry.runs()] == [RunStatus.FINISHED]


def test_features_may_log_to_the_mlflow_run_and_training_begins_all_the_same() -> None:
    world = world_of("features", "training")
    world.registry.log(world.mlflow_run, metrics={"columns": 12})
    pass_stage(world)
    assert world.variables["VIRIDIAN_STAGE"] == "training"


def test_a_script_that_closes_the_mlflow_run_does_not_end_the_run() -> None:
    """`with mlflow.start_run():` closes it at its end."""
    world = world_of("features", "training", "evaluation")
    for _ in range(3):
        now_of(world.registry.finish_run(world.mlflow_run, RunStatus.FINISHED))
        pass_stage(world)
    assert len(world.made) == 3
    assert world.last_run["outcome"] == "HandedOver"


def test_a_cause_that_comes_between_two_stages_waits_for_the_end_of_the_run() -> None:
    world = world_of("features", "training")
    world.ask_by_hand("two")
    pass_stage(world)
    assert world.status["activeRun"]["reasons"] == ["manual:one"]
    pass_stage(world)
    assert world.last_run["reasons"] == ["manual:one"]
    assert world.status["activeRun"]["reasons"] == ["manual:two"]


def test_all_stages_work_on_the_data_of_the_first() -> None:
    world = world_of("dataValidation", "training", data={"uri": "s3://data?key=1", "revision": "1"})
    world.edit(data={"uri": "s3://data?key=2", "revision": "2"})
    pass_stage(world)
    assert world.variables["VIRIDIAN_DATA_REVISION"] == "1"
    assert world.variables["VIRIDIAN_DATA_URI"] == "s3://data?key=2", "what may be a credential is the one of now"
    pass_stage(world)
    (version,) = world.registry.versions("churn").values()
    assert version.tags["viridian.data-revision"] == "1"


def test_a_later_stage_runs_the_template_that_the_policy_has_when_it_begins() -> None:
    world = world_of("training", "evaluation")
    world.edit(stages={"training": stage_spec(), "evaluation": stage_spec("ghcr.io/acme/mended:2", timeout="20m")})
    pass_stage(world)
    assert world.job["spec"]["template"]["spec"]["containers"][0]["image"] == "ghcr.io/acme/mended:2"
    assert world.job["spec"]["activeDeadlineSeconds"] == 1200


def test_a_stage_that_is_added_in_mid_run_is_part_of_the_next_one() -> None:
    world = world_of("training")
    world.edit(stages={"training": stage_spec(), "tests": stage_spec()})
    pass_stage(world)
    assert world.last_run["outcome"] == "HandedOver"
    world.ask_by_hand("two").settle()
    pass_stage(world)
    assert world.variables["VIRIDIAN_STAGE"] == "tests"


def test_a_stage_that_is_removed_in_mid_run_cancels_the_run() -> None:
    world = world_of("training", "evaluation")
    world.edit(stages={"training": stage_spec("ghcr.io/acme/training:1")})
    pass_stage(world)
    assert world.last_run["outcome"] == "Cancelled"
    assert "the policy has no stage evaluation" in world.last_run["message"]
    assert world.stage_states()["evaluation"] == "Cancelled"


@pytest.mark.parametrize("stage", ["features", "evaluation"])
def test_a_job_that_is_deleted_at_work_cancels_the_run(stage: str) -> None:
    world = until(world_of("features", "training", "evaluation"), stage)
    world.job_is_deleted().settle()
    assert world.last_run["outcome"] == "Cancelled"
    assert world.stage_states()[stage] == "Cancelled"


def test_an_mlflow_run_that_is_deleted_between_two_stages_cancels_the_run() -> None:
    world = world_of("features", "training")
    world.registry.delete_run(world.mlflow_run)
    pass_stage(world)
    assert world.last_run["outcome"] == "Cancelled"
    assert "was deleted before the stage training had begun" in world.last_run["message"]
    assert len(world.made) == 1


def test_jobs_of_earlier_stages_may_go_while_a_later_one_works() -> None:
    world = until(world_of(*ALL), "evaluation")
    world.remove_ended_jobs()
    world.settle()
    pass_stage(world)
    pass_stage(world)
    assert world.last_run["outcome"] == "HandedOver"
    assert len(world.made) == len(ALL)


def test_a_lost_record_is_made_again_from_the_stage_at_work() -> None:
    world = until(world_of("features", "training", "tests"), "training")
    world.records = {name: one for name, one in world.records.items() if one not in world.runs}
    world.remove_ended_jobs()
    world.settle()
    assert len(world.made) == 2, "features did not run again"
    pass_stage(world)
    pass_stage(world)
    assert world.last_run["outcome"] == "HandedOver"
    assert len(world.made) == 3


def test_a_run_that_mlflow_alone_remembers_does_not_run_again() -> None:
    world = world_of(*ALL)
    for _ in ALL:
        pass_stage(world)
    world.records.clear()
    world.jobs.clear()
    world.pods.clear()
    world.settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert len(world.made) == len(ALL)


def test_the_status_says_why_a_stage_failed_with_the_end_of_its_log() -> None:
    world = until(world_of(*ALL), "features")
    world.end(3, "begin " + "x" * 3000 + " KeyError: postcode at https://user:secret@host/data")
    world.settle()
    failed = next(stage for stage in world.status["stages"] if stage["name"] == "features")
    assert failed["state"] == "Failed"
    assert failed["message"].startswith("BackoffLimitExceeded, exit code 3: ")
    assert "KeyError: postcode" in failed["message"]
    assert "secret" not in failed["message"]
    assert len(failed["message"]) <= 1024
    assert failed["finishedAt"] == format_time(world.now)


def test_each_stage_tells_when_it_begins() -> None:
    world = world_of("features", "training")
    pass_stage(world)
    assert world.told.count("RunStarted") == 1
    (message,) = [event.message for event in world.events if event.reason == "StageStarted"]
    assert message.endswith(f"training as Job {world.made[-1]}")


def test_names_of_jobs_fit_into_a_label() -> None:
    for stage in ALL:
        name = stage_job("p" * MAX_RETRAIN_POLICY_NAME, "12345678", stage)
        assert len(name) <= 63
        assert name == name.lower()


@pytest.mark.parametrize("stage", ALL)
def test_an_operator_that_starts_in_the_middle_of_a_stage_goes_on(stage: str) -> None:
    """It has no memory of its own: neither of what it saw deleted nor of the status."""
    world = until(world_of(*ALL), stage)
    world.deleted.clear()
    world.forget_status().settle()
    while "activeRun" in world.status:
        pass_stage(world)
    assert world.last_run["outcome"] == "HandedOver"
    assert len(world.made) == len(ALL)

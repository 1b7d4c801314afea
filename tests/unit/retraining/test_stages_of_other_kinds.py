"""Stages that an object of another kind than Job does the work of: RayJob, TrainJob, and what is like them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.retraining.test_several_stages import pass_stage
from tests.unit.retraining.world import World, now_of, policy, stage_spec
from viridian.api.names import MAX_RETRAIN_POLICY_NAME, stage_resource
from viridian.api.registry import RunStatus
from viridian.api.resources import ApiResource

Object = dict[str, Any]
RAY = ApiResource("ray.io/v1", "RayJob", "rayjobs")
TRAIN = ApiResource("trainer.kubeflow.org/v1alpha1", "TrainJob", "trainjobs")


def ray_job(**spec: Any) -> Object:
    head = {"template": {"spec": {"containers": [{"name": "head", "image": "ghcr.io/acme/churn-ray:1.4"}]}}}
    worker = {
        "containers": [{"name": "worker", "image": "ghcr.io/acme/churn-ray:1.4", "env": [{"name": "A", "value": "1"}]}]
    }
    workers = [{"groupName": "gpu", "template": {"spec": worker}}]
    cluster = {"headGroupSpec": head, "workerGroupSpecs": workers}
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "spec": {"rayClusterSpec": cluster, **spec}}


def train_job() -> Object:
    trainer = {"image": "ghcr.io/acme/churn-torch:1.4", "numNodes": 4}
    return {
        "apiVersion": TRAIN.api_version,
        "kind": "TrainJob",
        "spec": {"runtimeRef": {"name": "torch"}, "trainer": trainer},
    }


def begun(resource: Object, **spec: Any) -> World:
    """A policy that trains by such an object, whose first run has begun."""
    stages = {"training": {"resource": resource}, **spec.pop("stages", {})}
    world = World(policy=policy(stages=stages, **spec), stage_resources=(RAY, TRAIN)).ask_by_hand("one")
    world.settle()
    return world


def variables(container: Object) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}


def log_model(world: World, run: str) -> None:
    world.registry.log(run, metrics={"auc": 0.9}, model_uri=f"models:/m-{run}")


def test_the_object_is_as_its_manifest_says_and_belongs_to_the_policy() -> None:
    made = begun({"manifest": {**ray_job(entrypoint="python train.py"), "metadata": {"labels": {"team": "a"}}}}).job
    assert (made["apiVersion"], made["kind"]) == ("ray.io/v1", "RayJob")
    assert made["spec"]["entrypoint"] == "python train.py"
    assert made["metadata"]["namespace"] == "ml"
    assert made["metadata"]["labels"]["team"] == "a"
    assert made["metadata"]["labels"]["viridian.dev/stage"] == "training"
    (owner,) = made["metadata"]["ownerReferences"]
    assert owner["uid"] == "policy-1"


def test_every_container_of_a_pod_template_gets_the_variables() -> None:
    cluster = begun({"manifest": ray_job()}).job["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        assert variables(container)["VIRIDIAN_STAGE"] == "training"
        assert variables(container)["MLFLOW_RUN_ID"]
        assert variables(container)["VIRIDIAN_OUT_DIR"] == "", "no volume of Viridian's is mounted there"
    assert variables(cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"][0])["A"] == "1"


def test_a_kind_without_pod_templates_gets_them_where_the_manifest_says_or_where_they_are_known_to_belong() -> None:
    assert variables(begun({"manifest": train_job()}).job["spec"]["trainer"])["VIRIDIAN_STAGE"] == "training"
    steps = [{"name": "prepare", "container": {}}, {"name": "train", "container": {"image": "x"}}]
    flow = {"apiVersion": "ray.io/v1", "kind": "RayJob", "spec": {"templates": steps}}
    made = begun({"manifest": flow, "variables": ["spec.templates[name=train].container.env"]}).job
    assert variables(made["spec"]["templates"][1]["container"])["VIRIDIAN_STAGE"] == "training"
    assert "env" not in made["spec"]["templates"][0]["container"]


@pytest.mark.parametrize(
    ("manifest", "status", "state"),
    [
        (ray_job(), {"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"}, "Running"),
        (ray_job(), {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}, "Complete"),
        (ray_job(), {"jobStatus": "FAILED", "jobDeploymentStatus": "Retrying"}, "Running"),
        (ray_job(), {"jobStatus": "FAILED", "jobDeploymentStatus": "Failed", "message": "OOM in worker"}, "Failed"),
        (ray_job(), {"jobStatus": "STOPPED", "jobDeploymentStatus": "Complete"}, "Failed"),
        (train_job(), {"conditions": [{"type": "Suspended", "status": "False"}]}, "Running"),
        (train_job(), {"conditions": [{"type": "Complete", "status": "True"}]}, "Complete"),
        (train_job(), {"conditions": [{"type": "Complete", "status": "False"}]}, "Running"),
        (train_job(), {"conditions": [{"type": "Failed", "status": "True", "message": "OOM in worker"}]}, "Failed"),
    ],
)
def test_how_the_end_of_known_kinds_is_read(manifest: Object, status: Object, state: str) -> None:
    world = begun({"manifest": manifest})
    log_model(world, world.registry.runs()[0].run_id)
    world.job["status"] = status
    world.settle()
    assert world.stage_states()["training"] == state
    if state == "Complete":
        assert world.last_run["outcome"] == "HandedOver"
    if state == "Failed":
        assert world.last_run["outcome"] == "Failed"
    if "OOM in worker" in json.dumps(status):
        assert "OOM in worker" in world.last_run["message"]
        assert "OOM in worker" in next(one["message"] for one in world.status["stages"] if one["name"] == "training")


def test_any_other_kind_says_how_its_end_shows() -> None:
    success = [{"path": "status.phase", "values": ["Done", "Skipped"]}]
    failure = [{"path": "status.conditions[type=Broken].status", "values": ["True"]}]
    world = begun({"manifest": ray_job(), "success": success, "failure": failure})
    world.job["status"] = {"jobStatus": "SUCCEEDED"}
    world.settle()
    assert world.stage_states()["training"] == "Running"
    log_model(world, world.registry.runs()[0].run_id)
    world.job["status"] = {"phase": "Skipped"}
    world.settle()
    assert world.last_run["outcome"] == "HandedOver"


def test_a_kind_whose_end_is_not_known_is_no_stage() -> None:
    world = begun({"manifest": {"apiVersion": "acme.io/v1", "kind": "Fit", "spec": {}}})
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert "write success and failure" in world.message("Stalled")


def test_a_kind_that_the_operator_may_not_make_stalls_the_policy_with_the_reason() -> None:
    world = World(policy=policy(stages={"training": {"resource": {"manifest": ray_job()}}})).ask_by_hand("one")
    world.settle()
    assert world.condition("Stalled") == ("True", "ResourceNotAllowed")
    assert "a RayJob of ray.io/v1, which this operator may not make" in world.message("Ready")
    world.stage_resources = (RAY,)
    world.settle()
    assert len(world.made) == 1


def test_an_object_that_may_not_be_read_holds_up_the_run_and_loses_nothing() -> None:
    world = begun({"manifest": ray_job()})
    world.unreadable = {world.made[0]: "rayjobs.ray.io is forbidden"}
    world.settle()
    assert world.condition("Stalled") == ("True", "ResourceNotAllowed")
    world.unreadable = {}
    world.settle()
    assert world.stage_states()["training"] == "Running"
    assert len(world.made) == 1


def test_it_is_read_every_ten_seconds_while_it_works() -> None:
    world = begun({"manifest": ray_job()})
    wake = world.settle().wake
    assert wake is not None
    assert (wake - world.now).total_seconds() == 10


def test_an_object_whose_controller_does_not_run_is_named() -> None:
    world = begun({"manifest": ray_job()})
    world.later(minutes=1).settle()
    assert "its RayJob has no status yet: does the controller of this kind run in the cluster?" in world.message(
        "Ready"
    )


def test_an_object_that_outlasts_its_timeout_is_deleted_and_the_run_has_failed() -> None:
    world = begun({"manifest": ray_job()})
    world.policy["spec"]["stages"]["training"]["timeout"] = "6h"
    world.later(hours=7).settle()
    assert world.last_run["outcome"] == "Failed"
    assert "did not end within its timeout" in world.last_run["message"]
    assert world.jobs == {}


def test_an_object_that_is_suspended_does_not_run_out_of_time() -> None:
    world = begun({"manifest": ray_job(suspend=True)})
    world.later(hours=7).settle()
    assert world.stage_states()["training"] == "Running"
    assert "its RayJob is suspended" in world.message("Ready")


def test_an_object_that_is_deleted_at_work_is_judged_by_what_mlflow_shows() -> None:
    for closed, outcome in ((False, "Cancelled"), (True, "HandedOver")):
        world = begun({"manifest": ray_job()})
        world.settle()
        run = world.registry.runs()[0].run_id
        if closed:
            log_model(world, run)
            now_of(world.registry.finish_run(run, RunStatus.FINISHED))
        world.job_is_deleted(seen=False).settle()
        assert world.last_run["outcome"] == outcome


def test_stages_of_different_kinds_follow_one_another() -> None:
    world = begun({"manifest": ray_job()}, stages={"features": stage_spec(), "tests": stage_spec()})
    pass_stage(world)
    assert world.job["kind"] == "RayJob"
    log_model(world, world.registry.runs()[0].run_id)
    world.job["status"] = {"jobStatus": "SUCCEEDED"}
    world.settle()
    assert world.job["kind"] == "Job"
    pass_stage(world)
    assert world.last_run["outcome"] == "HandedOver"
    assert len(world.made) == len(set(world.made)) == 3


def test_a_policy_that_chooses_another_kind_in_mid_run_cancels_the_stage_that_has_not_begun() -> None:
    world = begun({"manifest": ray_job()}, stages={"features": stage_spec()})
    world.edit(stages={"features": stage_spec(), "training": stage_spec()})
    pass_stage(world)
    assert world.last_run["outcome"] == "Cancelled"
    assert "the policy has no stage training of the kind RayJob any more" in world.last_run["message"]


def test_objects_of_old_runs_go_with_their_records() -> None:
    world = begun({"manifest": ray_job()}, history={"runs": 1})
    for value in ("two", "three", "four"):
        log_model(world, world.registry.runs()[-1].run_id)
        world.job["status"] = {"jobStatus": "SUCCEEDED"}
        world.settle()
        world.later(minutes=1).ask_by_hand(value).settle()
    assert len(world.jobs) == len(world.runs) < 4


def test_names_leave_room_for_what_other_controllers_append() -> None:
    for stage in ("dataValidation", "features", "training", "evaluation", "tests"):
        assert len(stage_resource("p" * MAX_RETRAIN_POLICY_NAME, "12345678", stage)) <= 47


def test_a_queue_of_kueue_is_a_label_there_too() -> None:
    world = World(policy=policy(), stage_resources=(RAY,))
    world.edit(stages={"training": {"resource": {"manifest": ray_job()}, "queue": "ml-batch"}}).ask_by_hand(
        "one"
    ).settle()
    assert world.job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "ml-batch"

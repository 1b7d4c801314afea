"""The volume of a run, what stages find on it, and stages that need not run because nothing has changed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.retraining.test_several_stages import pass_stage, until
from tests.unit.retraining.world import World, deployment, policy, stage_spec
from viridian.core.obstacles import Obstacle
from viridian.core.plan import Apply
from viridian.retraining.decide import decide
from viridian.retraining.interpret import with_obstacles
from viridian.retraining.stages.pod_template import PodNeeds, pod_template
from viridian.retraining.stages.spot import SPOT_NODES

Object = dict[str, Any]
STORAGE = {"size": "20Gi", "storageClassName": "fast"}
DATA = {"uri": "s3://data", "revision": "1"}
NAMES = ("dataValidation", "features", "training", "evaluation")


def stages(**changed: Object) -> Object:
    return {name: stage_spec(f"ghcr.io/acme/{name.lower()}:1") for name in NAMES} | changed


def begun(**spec: Any) -> World:
    """A policy whose first run has begun."""
    world = World(policy=policy(**{"stages": stages(), "data": DATA, "storage": STORAGE, **spec})).ask_by_hand("one")
    world.settle()
    return world


def finish(world: World) -> World:
    """All stages of the run end well."""
    while "activeRun" in world.status:
        pass_stage(world)
    return world


def again(world: World, value: str = "two") -> World:
    """The next run has begun."""
    world.later(minutes=1).ask_by_hand(value).settle()
    return world


def mounts(world: World) -> dict[str, Object]:
    (container,) = world.job["spec"]["template"]["spec"]["containers"]
    return {mount["mountPath"]: mount for mount in container["volumeMounts"]}


def claims(world: World) -> dict[str, str]:
    """Name of each volume of the newest Job to its claim."""
    found = world.job["spec"]["template"]["spec"]["volumes"]
    return {one["name"]: one["persistentVolumeClaim"]["claimName"] for one in found if "persistentVolumeClaim" in one}


# ---- the volume of a run


def test_a_run_has_one_claim_which_belongs_to_the_policy() -> None:
    world = finish(begun())
    ((name, claim),) = world.claims.items()
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "20Gi"}},
        "storageClassName": "fast",
    }
    (record,) = world.runs
    (owner,) = claim["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("RetrainPolicy", "policy-1", True)
    assert name == f"{record['metadata']['name']}-files"
    assert claim["metadata"]["labels"]["viridian.dev/retrain-policy"] == "churn"


def test_a_claim_goes_with_the_record_of_its_run() -> None:
    world = begun(history={"runs": 1}, stages={"training": stage_spec()})
    for value in ("two", "three", "four"):
        finish(world)
        again(world, value)
    assert len(world.claims) == len(world.runs) < 4


def test_a_claim_whose_run_is_forgotten_is_deleted() -> None:
    world = again(finish(begun(stages={"training": stage_spec()})))
    forgotten = next(name for name, one in world.records.items() if one is world.runs[0])
    del world.records[forgotten]
    world.remove_ended_jobs().settle()
    assert len(world.claims) == 1


def test_a_policy_without_storage_asks_for_no_volume() -> None:
    world = World(policy=policy(stages=stages())).ask_by_hand("one")
    world.settle()
    assert world.claims == {}
    assert mounts(world)["/viridian/out"]["name"] == "viridian-out"
    assert (world.variables["VIRIDIAN_CHECKPOINT_DIR"], world.variables["VIRIDIAN_IN_DIR"]) == ("", "")


def test_each_stage_writes_to_its_own_directory_and_reads_those_before_it() -> None:
    world = until(begun(), "training")
    found = mounts(world)
    assert found["/viridian/out"]["subPath"] == "stages/training"
    assert found["/viridian/checkpoints"]["subPath"] == "checkpoints/training"
    assert found["/viridian/in/features"] == {
        "name": "viridian-run", "mountPath": "/viridian/in/features", "subPath": "stages/features", "readOnly": True,
    }  # fmt: skip
    assert list(claims(world).values()) == list(world.claims)
    assert world.variables["VIRIDIAN_IN_DIR"] == "/viridian/in"
    assert world.variables["VIRIDIAN_CHECKPOINT_DIR"] == "/viridian/checkpoints"
    assert world.job["spec"]["template"]["spec"]["securityContext"]["fsGroup"] > 0


def test_what_the_template_mounts_there_stays() -> None:
    mine = [{"name": "mine", "mountPath": "/viridian/checkpoints/"}]
    own = stage_spec()
    own["template"]["spec"]["containers"][0]["volumeMounts"] = mine
    own["template"]["spec"]["volumes"] = [{"name": "mine", "emptyDir": {}}]
    world = begun(stages={"training": own})
    assert mounts(world)["/viridian/checkpoints/"]["name"] == "mine"
    assert "/viridian/checkpoints" not in mounts(world)


def test_a_run_keeps_the_volume_that_it_began_with() -> None:
    world = begun()
    world.edit(storage={"size": "80Gi"})
    finish(world)
    (claim,) = world.claims.values()
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"


def test_no_stage_begins_while_its_volume_is_refused() -> None:
    world = World(policy=policy(stages=stages(), storage=STORAGE)).ask_by_hand("one")
    while not world.registry.runs():
        world.once()
    given = world.observe()
    plan = decide(given)
    applied = [action for action in plan.actions if isinstance(action, Apply)]
    assert [action.manifest["kind"] for action in applied] == ["PersistentVolumeClaim", "Job"]
    assert applied[0].presumed, "the Job presumes the claim"
    refused = {applied[0].target: Obstacle(*applied[0].target, "exceeded quota", True)}
    plan = decide(replace(with_obstacles(given, refused), registry=given.registry))
    assert [action.manifest["kind"] for action in plan.actions if isinstance(action, Apply)] == [
        "PersistentVolumeClaim"
    ]
    assert plan.status is not None
    ready = next(one for one in plan.status["conditions"] if one["type"] == "Ready")
    assert "exceeded quota" in ready["message"]


# ---- stages whose inputs did not change


def test_only_training_parameters_change_so_validation_and_features_are_cached() -> None:
    world = finish(begun())
    (first,) = world.outcomes()
    own = stage_spec("ghcr.io/acme/training:1")
    own["template"]["spec"]["containers"][0]["env"] = [{"name": "DEPTH", "value": "6"}]
    world.edit(stages=stages(training=own))
    again(world)
    assert world.stage_states() == {
        "dataValidation": "Cached", "features": "Cached", "training": "Running", "evaluation": "Pending",
    }  # fmt: skip
    assert first in world.status["stages"][0]["message"]
    assert json.loads(world.variables["VIRIDIAN_STAGE_RUNS"]) == {"dataValidation": first, "features": first}
    finish(world)
    assert world.last_run["outcome"] == "HandedOver"
    assert len(world.made) == 6, "four Jobs of the first run, and training and evaluation of the second"


def test_a_cached_stage_hands_over_what_it_wrote_in_the_earlier_run() -> None:
    world = again(finish(begun()))
    earlier, own = (f"{run['metadata']['name']}-files" for run in world.runs)
    named = claims(world)
    assert named[mounts(world)["/viridian/in/features"]["name"]] == earlier
    assert named[mounts(world)["/viridian/out"]["name"]] == own
    again(finish(world), "three")
    assert earlier in claims(world).values(), "a result that was cached before comes from where it was made"


@pytest.mark.parametrize(
    ("changed", "runs"),
    [
        ({"data": {"uri": "s3://data", "revision": "2"}}, "dataValidation"),
        ({"data": {"uri": "s3://other", "revision": "1"}}, "dataValidation"),
        ({"stages": stages(dataValidation=stage_spec("ghcr.io/acme/other:2"))}, "dataValidation"),
        ({"stages": stages(features=stage_spec("ghcr.io/acme/other:2"))}, "features"),
        ({"stages": stages(features=stage_spec("ghcr.io/acme/features:1", cache=False))}, "features"),
        ({"stages": stages(training=stage_spec("ghcr.io/acme/other:2"))}, "training"),
        ({"gate": {"metrics": [{"name": "auc", "min": 0.1}]}}, "training"),
    ],
)
def test_the_first_stage_whose_inputs_changed_runs(changed: Object, runs: str) -> None:
    world = finish(begun())
    world.edit(**changed)
    again(world)
    assert world.variables["VIRIDIAN_STAGE"] == runs


def test_another_definition_of_features_makes_the_stages_run_again() -> None:
    world = finish(begun())
    world.deployment = deployment(**deployment()["spec"]["model"], features={"ref": "churn"})
    again(world)
    assert world.variables["VIRIDIAN_STAGE"] == "dataValidation"
    assert (world.variables["VIRIDIAN_FEATURES_REF"], world.variables["VIRIDIAN_FEATURES_DIGEST"]) == ("churn", "")


def test_what_follows_a_stage_that_ran_again_runs_again_too() -> None:
    """It may have written something else. Without a volume it hands nothing over."""
    for storage, then in ((STORAGE, "features"), (None, "training")):
        world = finish(begun(storage=storage, stages=stages(dataValidation=stage_spec(cache=False))))
        again(world)
        assert world.variables["VIRIDIAN_STAGE"] == "dataValidation"
        pass_stage(world)
        assert world.variables["VIRIDIAN_STAGE"] == then


def test_data_grows_old_without_a_change() -> None:
    checked = {"checks": [{"freshness": {"column": "at", "maxAge": "1d"}}]}
    world = begun(stages={"dataValidation": checked, "training": stage_spec()}, storage=None)
    pass_stage(world)
    again(finish(world))
    assert world.variables["VIRIDIAN_STAGE"] == "dataValidation"


def test_data_without_a_revision_may_have_changed() -> None:
    world = again(finish(begun(data={"uri": "s3://data"})))
    assert world.variables["VIRIDIAN_STAGE"] == "dataValidation"


def test_a_stage_runs_again_where_what_it_handed_over_is_gone() -> None:
    world = finish(begun())
    world.claims.clear()
    again(world)
    assert world.variables["VIRIDIAN_STAGE"] == "dataValidation"


def test_a_stage_that_did_not_end_well_runs_again() -> None:
    world = until(begun(), "features")
    world.end(1).settle()
    again(world)
    assert world.variables["VIRIDIAN_STAGE"] == "features"
    assert world.stage_states()["dataValidation"] == "Cached"


def test_numbers_of_a_cached_stage_count() -> None:
    world = begun(stages={"features": stage_spec(), "training": stage_spec()})
    world.end(0, {"metrics": {"columns": 12}}).settle()
    finish(world)
    finish(again(world))
    assert world.last_run["metrics"]["columns"] == 12


def test_the_record_of_a_run_stays_while_another_reads_its_volume() -> None:
    world = finish(begun(history={"runs": 1}))
    (first,) = world.outcomes()
    finish(again(world))
    again(world, "three")
    assert first in {run["metadata"]["labels"]["viridian.dev/run"] for run in world.runs}


# ---- spot nodes and queues


def test_a_stage_on_spot_nodes_tolerates_their_taints_and_prefers_them() -> None:
    own = stage_spec(spot=True)
    own["template"]["spec"]["tolerations"] = [{"key": "gpu", "operator": "Exists"}]
    world = World(policy=policy(stages={"training": own}), spot_nodes=SPOT_NODES).ask_by_hand("one")
    world.settle()
    spec = world.job["spec"]["template"]["spec"]
    keys = [toleration["key"] for toleration in spec["tolerations"]]
    assert keys == ["gpu", *(node.partition("=")[0] for node in SPOT_NODES)]
    affinity = spec["affinity"]["nodeAffinity"]
    assert list(affinity) == ["preferredDuringSchedulingIgnoredDuringExecution"], "it runs where there are none too"
    assert world.job["metadata"]["labels"]["viridian.dev/spot"] == "true"


def test_a_stage_that_asks_for_no_spot_node_gets_no_toleration() -> None:
    template = pod_template(stage_spec()["template"], PodNeeds())
    assert not {"tolerations", "affinity"} & set(template["spec"])


def test_a_stage_in_a_queue_is_made_suspended() -> None:
    world = World(policy=policy(stages={"training": stage_spec(queue="ml-batch")})).ask_by_hand("one")
    world.settle()
    assert world.job["spec"]["suspend"] is True
    assert world.job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "ml-batch"
    assert "a queue such as Kueue" in world.message("Ready")

"""Decisions about a RetrainPolicy on a real API server: the Job, its pod under restricted Pod Security, the status."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.kube import Kube, eventually
from tests.unit.retraining.world import World, policy, weekly
from viridian.api.names import CHILDREN_MANAGER, RETRAINING_MANAGER

Object = dict[str, Any]
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
NOTHING_SPECIAL = {"name": "train", "image": "ghcr.io/acme/churn-train:1.4"}
MUCH = {
    **NOTHING_SPECIAL,
    "args": ["--data", "$(VIRIDIAN_DATA_URI)"],
    "env": [{"name": "MLFLOW_TRACKING_URI", "value": "https://elsewhere"}],
    "resources": {"requests": {"cpu": 0.5}, "limits": {"memory": "1Gi"}},
    "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
}


@pytest.fixture
def restricted(kube: Kube, namespace: str) -> str:
    """A namespace that lets in only what the restricted Pod Security Standard allows."""
    kube.merge(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, {"metadata": {"labels": RESTRICTED}}
    )
    return namespace


def world_of(kube: Kube, namespace: str, container: Object, pod: Object) -> World:
    """A policy that the API server has stored, with a run that was asked for and is training."""
    manifest = policy(weekly(), data={"uri": "s3://data"}, gate={"metrics": [{"name": "auc", "min": 0.75}]})
    manifest["spec"]["stages"]["training"]["template"] = {"spec": {"containers": [container], **pod}}
    manifest["metadata"] = {"name": "churn", "namespace": namespace, "annotations": {"viridian.dev/run": "one"}}
    world = World(policy=kube.apply(manifest), now=datetime.now(UTC).replace(microsecond=0))
    world.settle()
    return world


@pytest.mark.parametrize(
    ("container", "pod"),
    [
        (NOTHING_SPECIAL, {}),
        (
            MUCH,
            {
                "volumes": [{"name": "cache", "emptyDir": {}}],
                "initContainers": [{"name": "before", "image": "busybox"}],
                "nodeSelector": {"gpu": "yes"},
            },
        ),
    ],
    ids=["a minimal template", "a template with much in it"],
)
def test_the_job_is_accepted_and_its_pod_is_let_in(kube: Kube, restricted: str, container: Object, pod: Object) -> None:
    world = world_of(kube, restricted, container, pod)
    manifest = copy.deepcopy(world.job)
    for field in ("uid", "creationTimestamp"):
        manifest["metadata"].pop(field)
    stored = kube.apply(manifest, manager=CHILDREN_MANAGER)
    labels = f"batch.kubernetes.io/job-name={stored['metadata']['name']}"
    found = eventually(lambda: kube.list("v1", "Pod", restricted, labels) or None, what="a pod of the Job")
    assert found[0]["metadata"]["labels"]["viridian.dev/stage"] == "training"
    assert kube.apply(manifest, manager=CHILDREN_MANAGER)["metadata"]["generation"] == stored["metadata"]["generation"]


@pytest.mark.parametrize("ending", ["none yet", "handed over", "rejected", "bad data", "failed"])
def test_the_whole_status_is_stored_as_it_is_written(kube: Kube, namespace: str, ending: str) -> None:
    world = world_of(kube, namespace, NOTHING_SPECIAL, {})
    match ending:
        case "handed over":
            world.train(auc=0.9, champion_auc=0.8).settle()
        case "rejected":
            world.train(auc=0.1).settle()
        case "bad data":
            world.end(64, {"failures": ["age is empty"]}).settle()
        case "failed":
            world.end(1, "Traceback").settle()
    written = copy.deepcopy(world.status)
    target = {key: world.policy[key] for key in ("apiVersion", "kind")}
    metadata = {"name": "churn", "namespace": namespace}
    manifest = {**target, "metadata": metadata, "status": written}
    stored = kube.apply(manifest, manager=RETRAINING_MANAGER, subresource="status")
    assert stored["status"] == written

"""RayJobs and TrainJobs as stages on the real API server, by CRDs of the shape of KubeRay's and Kubeflow Trainer's.

No controller of theirs runs: the test sets the status that it would set.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.operator.conftest import ORDERS, Operator
from tests.support.kube import Kube, Object, eventually
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, train
from tests.support.mlflow_server import MlflowServer
from tests.support.shipped import give_the_operator

FREE: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CONTAINER = {"name": "work", "image": "ghcr.io/acme/churn:1"}


def crd(group: str, kind: str, version: str, status: Object) -> Object:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "properties": {"spec": FREE, "status": {"type": "object", "properties": status}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


TEXT = {"type": "string"}
CONDITION = {
    "type": "object",
    "required": ["type", "status"],
    "properties": {"type": TEXT, "status": TEXT, "reason": TEXT, "message": TEXT, "lastTransitionTime": TEXT},
}
CRDS = (
    crd("ray.io", "RayJob", "v1", {"jobStatus": TEXT, "jobDeploymentStatus": TEXT, "message": TEXT}),
    crd("trainer.kubeflow.org", "TrainJob", "v1alpha1", {"conditions": {"type": "array", "items": CONDITION}}),
)


@pytest.fixture
def installed(shipped: Kube) -> Iterator[None]:
    """Both kinds are there."""
    for one in CRDS:
        shipped.create(one)
    eventually(lambda: all("Established" in str(shipped.read(one).get("status")) for one in CRDS), what="the CRDs")
    yield
    for one in CRDS:
        shipped.delete(one)


def give_the_rights(kube: Kube, namespace: str) -> None:
    verbs = ["get", "create", "patch", "delete"]
    rules = [
        {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": verbs},
        {"apiGroups": ["trainer.kubeflow.org"], "resources": ["trainjobs"], "verbs": verbs},
    ]
    give_the_operator(kube, namespace, "stage-resources", rules)


def use(policy: LivePolicy, manifest: Object) -> None:
    """The policy trains by an object of this kind."""
    training: dict[str, Any] = {"template": None, "resource": {"manifest": manifest}}
    policy.kube.merge(policy.identity, {"spec": {"stages": {"training": training}}})


def test_a_ray_job_trains_a_champion_and_a_train_job_fails_with_its_own_words(
    kube: Kube,
    kubelet: Kubelet,
    churn: LiveModel,
    namespace: str,
    installed: None,
    operator: Operator,
    mlflow: MlflowServer,
    tmp_path: Path,
) -> None:
    flags = (
        "--stage-resource=ray.io/v1/rayjobs=RayJob",
        "--stage-resource=trainer.kubeflow.org/v1alpha1/trainjobs=TrainJob",
    )
    churn.apply({"registry": {"name": namespace, "alias": "candidate"}})
    policy = LivePolicy(kube, kubelet, namespace)
    policy.apply(gate={"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.5}]})
    head = {"template": {"spec": {"containers": [CONTAINER]}}}
    ray = {"apiVersion": "ray.io/v1", "kind": "RayJob", "spec": {"rayClusterSpec": {"headGroupSpec": head}}}
    use(policy, ray)
    with operator(f"--mlflow-uri={mlflow.url}", ORDERS, *flags) as process:
        process.until_ready()
        policy.ask_for_a_run("first")
        stalled = eventually(lambda: policy.condition("Stalled") or None, what="the missing right", timeout=60)
        assert stalled["reason"] == "ResourceNotAllowed"
        assert "rayjobs" in stalled["message"]

        give_the_rights(kube, namespace)
        kube.merge(policy.identity, {"metadata": {"labels": {"team": "a"}}})
        made = eventually(lambda: only(kube, "ray.io/v1", "RayJob", namespace), what="the RayJob", timeout=60)
        assert made["metadata"]["ownerReferences"][0]["kind"] == "RetrainPolicy"
        pod = made["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]
        train({"metadata": made["metadata"], "spec": {"template": pod}}, tmp_path)
        kube.merge(
            made, {"status": {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}}, subresource="status"
        )
        assert policy.finished()["outcome"] == "HandedOver"
        assert policy.jobs() == []

        use(
            policy,
            {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "spec": {"trainer": {"numNodes": 2}}},
        )
        policy.ask_for_a_run("second")
        api = "trainer.kubeflow.org/v1alpha1"
        made = eventually(lambda: only(kube, api, "TrainJob", namespace), what="the TrainJob", timeout=60)
        told = {one["name"]: one.get("value") for one in made["spec"]["trainer"]["env"]}
        assert told["VIRIDIAN_STAGE"] == "training"
        failed = {"type": "Failed", "status": "True", "reason": "JobsFailed", "message": "node 1 ran out of memory"}
        kube.merge(made, {"status": {"conditions": [failed]}}, subresource="status")
        run = policy.finished(2)
        assert run["outcome"] == "Failed"
        assert "node 1 ran out of memory" in run["message"]
        assert process.stop() == 0, process.log()


def only(kube: Kube, api_version: str, kind: str, namespace: str) -> Object | None:
    found = kube.list(api_version, kind, namespace)
    return found[0] if found else None

"""Several stages on the real control plane with a real MLflow: volumes, caching, eviction. The pods are scripted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.kube import Kube, Object, eventually
from tests.support.kubelet import STRATEGIC, JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, environment, train

pytestmark = pytest.mark.usefixtures("shared_operator")

GATE = {"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.5}]}
FEATURES = {"spec": {"schedulerName": "nobody", "containers": [{"name": "make", "image": "ghcr.io/acme/features:1"}]}}


def stages_of(policy: LivePolicy) -> dict[str, str]:
    """Name of each stage to its state."""
    return {stage["name"]: stage["state"] for stage in policy.status.get("stages", [])}


@pytest.fixture
def policy(kube: Kube, kubelet: Kubelet, churn: LiveModel, namespace: str) -> LivePolicy:
    churn.apply({"registry": {"name": namespace, "alias": "candidate"}})
    return LivePolicy(kube, kubelet, namespace)


def with_features(policy: LivePolicy, **training: Any) -> None:
    manifest = policy.identity
    manifest["spec"] = {
        "data": {"uri": "s3://acme/churn", "revision": "1"},
        "storage": {"size": "1Gi"},
        "stages": {"features": {"template": FEATURES}, "training": training},
    }
    policy.kube.apply(manifest, manager="person-stages", force=True)


def test_features_then_training_on_one_volume_and_the_next_run_begins_with_training(
    policy: LivePolicy, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    policy.apply(gate=GATE)
    with_features(policy)
    policy.ask_for_a_run("first")
    features = policy.running(1)
    assert environment(features)["VIRIDIAN_STAGE"] == "features"
    eventually(lambda: stages_of(policy).get("training") == "Pending", what="the status of a stage that waits")
    policy.ends(features, JobEnd(0, json.dumps({"metrics": {"columns": 12}})))
    training = policy.running(2)
    assert training["metadata"]["name"] == features["metadata"]["name"].replace("-features", "-training")
    policy.ends(training, train(training, tmp_path))
    run = policy.finished(1)
    assert (run["outcome"], run["metrics"]["columns"]) == ("HandedOver", 12)
    times = [(one["startedAt"], one["finishedAt"]) for one in policy.status["stages"] if one["state"] == "Complete"]
    assert times[0][1] <= times[1][0]

    (claim,) = kube.list("v1", "PersistentVolumeClaim", namespace)
    policy.ask_for_a_run("second")
    training = policy.running(3)
    eventually(lambda: stages_of(policy).get("features") == "Cached", what="the status of a stage that need not run")
    mounted = {
        one["persistentVolumeClaim"]["claimName"]
        for one in training["spec"]["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in one
    }
    own = {one["metadata"]["name"] for one in kube.list("v1", "PersistentVolumeClaim", namespace)}
    assert mounted == own
    assert len(own) == 2
    assert claim["metadata"]["name"] in own
    policy.ends(training, train(training, tmp_path))
    assert policy.finished(2)["outcome"] == "HandedOver"


def test_an_eviction_is_no_failed_attempt(policy: LivePolicy, kube: Kube, namespace: str, tmp_path: Path) -> None:
    policy.apply(gate=GATE, stages={"training": {"backoffLimit": 0, "spot": True, "template": FEATURES}})
    policy.ask_for_a_run("once")
    job = policy.running()
    evict(kube, namespace, job)
    again = eventually(lambda: at_work(kube, namespace, job), what="another pod", timeout=60)
    assert again["spec"]["tolerations"]
    policy.ends(job, train(job, tmp_path))
    assert policy.finished()["outcome"] == "HandedOver"
    assert len(policy.jobs()) == 1


def evict(kube: Kube, namespace: str, job: Object) -> None:
    """The node under the pod is taken away, as the control plane reports it."""
    pod = eventually(lambda: at_work(kube, namespace, job), what="a pod at work", timeout=60)
    name = pod["metadata"]["name"]
    state = {"terminated": {"exitCode": 137, "reason": "Error"}}
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}
    container = {"name": "make", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    status = {"phase": "Failed", "conditions": [condition], "containerStatuses": [container]}
    kube.request("PATCH", kube.path("v1", "Pod", namespace, name, "status"), {"status": status}, content=STRATEGIC)


def at_work(kube: Kube, namespace: str, job: Object) -> Object | None:
    pods = kube.list("v1", "Pod", namespace, f"batch.kubernetes.io/job-name={job['metadata']['name']}")
    return next((pod for pod in pods if pod.get("status", {}).get("phase") == "Running"), None)

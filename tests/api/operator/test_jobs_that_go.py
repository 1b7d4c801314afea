"""Finished Jobs that the cluster removes at once: a policy sets a TTL of 0 on every Job, as cluster hygiene does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control_plane import until_records_are_known
from tests.support.kube import Kube, eventually
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, environment, train
from tests.support.live_registry import LiveRegistry
from tests.support.mlflow_server import MlflowServer
from viridian.api.names import API_VERSION, RETRAIN_POLICY
from viridian.api.registry import TAG_GATE

pytestmark = pytest.mark.usefixtures("shared_operator")

ADMISSION = "admissionregistration.k8s.io/v1"


@pytest.fixture
def no_job_stays(kube: Kube, namespace: str) -> Iterator[None]:
    """Jobs of the namespace are deleted the moment they have ended."""
    name = f"ttl-{namespace}"
    rule = {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    short = {"expression": "Object{spec: Object.spec{ttlSecondsAfterFinished: 0}}"}
    policy = {
        "apiVersion": ADMISSION,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]},
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": short}],
        },
    }
    binding = {
        "apiVersion": ADMISSION,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
    kube.create(policy)
    kube.create(binding)
    eventually(lambda: _ttl(kube, namespace) == 0, what="the policy to take hold")
    yield
    kube.delete(binding)
    kube.delete(policy)


def _ttl(kube: Kube, namespace: str) -> Any:
    container = {"name": "try", "image": "none"}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "try", "namespace": namespace},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }
    tried = kube.request("POST", kube.path("batch/v1", "Job", namespace), job, query={"dryRun": "All"})
    return tried["spec"].get("ttlSecondsAfterFinished")


@pytest.fixture
def policy(kube: Kube, kubelet: Kubelet, churn: LiveModel, namespace: str, no_job_stays: None) -> LivePolicy:
    churn.apply({"registry": {"name": namespace, "alias": "candidate"}})
    made = LivePolicy(kube, kubelet, namespace)
    made.apply(gate={"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.5}]})
    return made


def gone_and_forgotten(policy: LivePolicy, kube: Kube) -> None:
    """The Job is gone, and somebody deletes the whole status as well; the operator has written it anew."""
    eventually(lambda: not policy.jobs(), what="the end of the Job")
    kube.merge(policy.identity, {"status": None}, subresource="status")
    eventually(lambda: policy.status.get("conditions"), what="the status, once more")


def test_a_good_training_is_judged_although_its_job_is_gone(
    policy: LivePolicy, kube: Kube, namespace: str, mlflow: MlflowServer, tmp_path: Path
) -> None:
    policy.ask_for_a_run("once")
    job = policy.running()
    policy.ends(job, train(job, tmp_path))
    run = policy.finished()
    assert (run["outcome"], run["version"]) == ("HandedOver", "1")
    registry = LiveRegistry(mlflow.url)
    assert registry.tags(namespace, "1")[TAG_GATE].startswith("HandedOver: ")
    assert registry.run(environment(job)["MLFLOW_RUN_ID"])["info"]["status"] == "FINISHED"
    gone_and_forgotten(policy, kube)
    assert policy.status["lastRun"] == run
    assert "activeRun" not in policy.status


@pytest.mark.parametrize(
    ("end", "outcome", "paused"),
    [(JobEnd(64, "age is empty"), "DataQualityFailed", "True"), (JobEnd(66, "no new data"), "Skipped", "False")],
    ids=["bad data", "nothing to do"],
)
def test_what_holds_schedules_back_outlives_the_job(
    policy: LivePolicy, kube: Kube, end: JobEnd, outcome: str, paused: str
) -> None:
    policy.ask_for_a_run("once")
    policy.ends(policy.running(), end)
    run = policy.finished()
    assert run["outcome"] == outcome
    assert end.message in run["message"]
    gone_and_forgotten(policy, kube)
    assert policy.status["lastRun"] == run
    assert policy.condition("Paused")["status"] == paused
    assert "has answered viridian.dev/run=once" in policy.condition("Ready")["message"] or paused == "True"
    assert not policy.jobs()


def test_a_job_that_a_person_deletes_while_it_runs_is_a_cancelled_run(
    policy: LivePolicy, kube: Kube, mlflow: MlflowServer
) -> None:
    policy.ask_for_a_run("once")
    job = policy.running()
    kube.delete({"apiVersion": "batch/v1", "kind": "Job", "metadata": job["metadata"]})
    assert policy.finished()["outcome"] == "Cancelled"
    assert LiveRegistry(mlflow.url).run(environment(job)["MLFLOW_RUN_ID"])["info"]["status"] == "KILLED"
    gone_and_forgotten(policy, kube)
    assert policy.status["lastRun"]["outcome"] == "Cancelled"


def test_records_that_lose_their_owner_are_adopted_again_and_a_namesake_inherits_nothing(
    policy: LivePolicy, kube: Kube, namespace: str
) -> None:
    policy.ask_for_a_run("once")
    policy.ends(policy.running(), JobEnd(64, "age is empty"))
    policy.finished()

    def records() -> list[dict[str, Any]]:
        return kube.list("apps/v1", "ControllerRevision", namespace, "viridian.dev/retrain-policy=churn")

    for record in records():
        target = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": record["metadata"]}
        kube.merge(target, {"metadata": {"ownerReferences": None}})
    eventually(
        lambda: all(record["metadata"].get("ownerReferences") for record in records()), what="the records' adoption"
    )
    until_records_are_known(kube, namespace)  # what it does not know to be owned, it does not orphan
    path = kube.path(API_VERSION, RETRAIN_POLICY, namespace, "churn")
    kube.request("DELETE", path, {"propagationPolicy": "Orphan"})
    # It goes last, once its children have lost their owner: until then the namesake would be itself.
    eventually(lambda: kube.get(API_VERSION, RETRAIN_POLICY, "churn", namespace) is None, what="its end")
    assert records()
    assert not any(record["metadata"].get("ownerReferences") for record in records())
    policy.apply()
    eventually(lambda: policy.status.get("conditions"), what="the status of the namesake")
    assert policy.condition("Paused")["status"] == "False"
    assert "lastRun" not in policy.status

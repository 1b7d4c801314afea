"""Modes, approvals and bad data on a real API server with a real MLflow: what waits for a person, and what holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.audit_log import AuditLog
from tests.support.kube import Kube, eventually
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, train
from tests.support.live_registry import LiveRegistry
from tests.support.mlflow_server import MlflowServer
from viridian.api.names import RUN_LABEL, trail_journal

pytestmark = pytest.mark.usefixtures("shared_operator")

OF_MODELS = ("modeldeployments/status", "services", "networkpolicies", "configmaps", "secrets", "serviceaccounts")
"""What the ModelDeployment that the policy is about leads to while it has no version to serve."""
GATE = {"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.5}]}


@pytest.fixture
def policy(kube: Kube, kubelet: Kubelet, churn: LiveModel, namespace: str) -> LivePolicy:
    """Of the model that `churn` follows; a test applies it."""
    steps = [{"weight": 50, "duration": "1h"}]
    churn.apply({"registry": {"name": namespace, "alias": "candidate"}}, rollout={"steps": steps})
    return LivePolicy(kube, kubelet, namespace)


def write(policy: LivePolicy, command: str, value: str) -> None:
    manifest = policy.identity
    manifest["metadata"]["annotations"] = {f"viridian.dev/{command}": f"{value}#{policy.kube.whoami()}"}
    policy.kube.apply(manifest, manager=f"person-{command}", force=True)


def recommended(policy: LivePolicy) -> str:
    found = eventually(lambda: policy.status.get("recommended"), what=f"a recommendation; status: {policy.status}")
    return str(found["run"])


def the_trail_of(model: LiveModel) -> str:
    """Name of the journal of the ModelDeployment, once it is written: the mode of the policy is not about it."""
    labels = f"viridian.dev/model-deployment={model.name}"
    found = eventually(
        lambda: model.kube.list("apps/v1", "ControllerRevision", model.namespace, labels) or None, what="the journal"
    )
    names = [one["metadata"]["name"] for one in found]
    assert names == [trail_journal(model.name, model.kube.read(model.identity)["metadata"]["uid"])]
    return str(names[0])


def test_observe_writes_nothing_but_the_status(
    policy: LivePolicy, churn: LiveModel, namespace: str, audit_log: AuditLog
) -> None:
    """R91: the audit log of the API server has no other write about it, not even one that was undone or refused."""
    policy.apply(mode="Observe")
    policy.ask_for_a_run("once")
    run = recommended(policy)
    records = policy.kube.list("apps/v1", "ControllerRevision", namespace, "viridian.dev/retrain-policy=churn")
    managers = {entry["manager"] for entry in policy.kube.read(policy.identity)["metadata"]["managedFields"]}
    assert (records, policy.jobs()) == ([], [])
    assert {name for name in managers if name.startswith("viridian")} == {"viridian-retraining"}
    trail = the_trail_of(churn)
    written = {write.resource for write in audit_log.writes(namespace) if write.name != trail}
    assert "retrainpolicies/status" in written
    assert written <= {"retrainpolicies/status", "events", *OF_MODELS}
    policy.apply(mode="Automatic")
    assert policy.running()["metadata"]["labels"][RUN_LABEL] == run, "it was what would begin"


def test_a_run_and_its_candidate_wait_for_approvals_and_bad_data_holds_the_rollout(
    policy: LivePolicy, churn: LiveModel, namespace: str, mlflow: MlflowServer, tmp_path: Path
) -> None:
    policy.apply(gate={**GATE, "approval": "Required"}, approval={"training": "Required"})
    policy.ask_for_a_run("first")
    run = recommended(policy)
    assert policy.condition("ReviewRequired")["reason"] == "AwaitingApproval"
    write(policy, "approve", run)
    job = policy.running()
    policy.ends(job, train(job, tmp_path))
    assert policy.finished()["outcome"] == "AwaitingApproval"
    registry = LiveRegistry(mlflow.url)
    assert registry.aliases(namespace) == {}
    write(policy, "approve", f"{run} version 1")
    churn.until_serves("1")
    eventually(lambda: policy.status["lastRun"]["outcome"] == "HandedOver", what="the outcome, after the alias")
    assert f"version 1#{policy.kube.whoami()}" in registry.tags(namespace, "1")["viridian.commands"]

    policy.apply(gate=GATE)
    policy.ask_for_a_run("second")
    job = policy.running(2)
    policy.ends(job, train(job, tmp_path, trees=20, depth=6))
    churn.until(lambda model: model.trial.get("weight") == 50, "version 2 on trial")
    policy.ask_for_a_run("third")
    policy.ends(policy.running(3), JobEnd(64, "age is empty"))
    churn.until(lambda model: model.trial.get("waitingReason") == "GoodData", "the rollout that holds its weight")
    assert churn.trial["weight"] == 50
    assert "RetrainPolicy churn to have good data again" in churn.trial["waitingFor"]
    write(policy, "override", f"{policy.status['lastRun']['id']} age is not used")
    churn.until(lambda model: model.trial.get("waitingReason") != "GoodData", "the rollout that goes on")
    assert policy.condition("DataQuality")["reason"] == "Overridden"

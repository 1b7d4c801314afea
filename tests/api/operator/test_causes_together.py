"""Causes that wait while a policy is suspended become one run on a real API server, and come back exactly once."""

from __future__ import annotations

import json

import pytest

from tests.support.kube import Kube, eventually
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy, environment
from tests.support.mlflow_server import MlflowServer

pytestmark = pytest.mark.usefixtures("shared_operator")


def test_edits_that_wait_for_a_pause_are_one_run_with_what_a_person_asks_for(
    kube: Kube, kubelet: Kubelet, churn: LiveModel, namespace: str, mlflow: MlflowServer
) -> None:
    churn.apply({"registry": {"name": namespace, "alias": "candidate"}})
    policy = LivePolicy(kube, kubelet, namespace)
    made = policy.apply(objective={"labelDefinition": "churned-90d"})
    policy.ask_for_a_run("first")
    policy.ends(policy.running(), JobEnd(66, "nothing to do"))
    policy.finished()

    spec = made["spec"]
    spec["stages"]["training"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/acme/churn-train:1.5"
    edited = {"suspend": True, "objective": {"labelDefinition": "churned-30d"}, "stages": spec["stages"]}
    manifest = {**policy.identity, "spec": {"modelDeployment": "churn", "triggers": [], **edited}}
    generation = kube.apply(manifest)["metadata"]["generation"]
    eventually(lambda: policy.status.get("observedGeneration") == generation, what="the pass over the edit")
    assert len(policy.jobs()) == 1

    policy.ask_for_a_run("second")
    job = policy.running(2)
    told = environment(job)
    causes = json.loads(told["VIRIDIAN_REASONS"])
    assert [cause["source"] for cause in causes] == ["manual", "objective", "runtime"]
    assert causes[1]["evidence"] == {"before": "churned-90d", "now": "churned-30d"}
    assert json.loads(told["VIRIDIAN_OBJECTIVE"])["labelDefinition"] == "churned-30d"
    policy.ends(job, JobEnd(66, "nothing to do"))
    policy.finished(2)

    generation = kube.apply({**manifest, "spec": {**manifest["spec"], "suspend": False}})["metadata"]["generation"]
    eventually(
        lambda: (
            policy.status.get("observedGeneration") == generation and policy.condition("Ready")["reason"] == "Waiting"
        ),
        what="rest after the pause",
    )
    assert len(policy.jobs()) == 2

"""Only what users asked of these pods in this trial is evidence, whoever reads it; and every wait names its cause."""

from __future__ import annotations

import pytest

from tests.api.operator.conftest import Operator
from tests.support.kube import Kube, Object
from tests.support.live_model import LiveModel
from tests.support.live_registry import LiveRegistry
from tests.support.memory_pods import BROKEN, HEALTHY, Behaviour
from tests.support.mlflow_server import MlflowServer
from viridian.api.names import MODEL_DEPLOYMENT_LABEL, REVISION_LABEL, SLOT_LABEL

FAILING = Behaviour(errors=1.0)
A_STEP = {"weight": 50, "duration": "3s"}
LOOK = {"steps": [{"approval": {}}, A_STEP]}


def until_asked(churn: LiveModel) -> None:
    churn.until(lambda model: model.condition("Ready").get("reason") == "AwaitingApproval", "the question")


def test_bad_input_tried_through_the_preview_service_convicts_nobody(
    churn: LiveModel, namespace: str, operator: Operator
) -> None:
    """Also where the operator is another one by the time users come."""
    with operator() as first:
        churn.apply("1")
        churn.until_serves("1")
        churn.apply("2", rollout=LOOK)
        until_asked(churn)
        churn.kubelet.preview(namespace, "2", 300, FAILING)
        first.kill()
    with operator():
        churn.annotate("approve", churn.revision("2"))
        churn.until_serves("2")
    assert churn.rejected == []


def test_good_answers_of_the_past_hide_no_breach_from_another_operator(
    churn: LiveModel, namespace: str, operator: Operator
) -> None:
    """The window is far longer than anybody here waits."""
    with operator() as first:
        churn.apply("1")
        churn.until_serves("1")
        churn.apply("2", rollout={**LOOK, "steps": [{"approval": {}}, {"weight": 50}], "analysis": {"window": "1h"}})
        until_asked(churn)
        churn.kubelet.preview(namespace, "2", 10_000_000, HEALTHY)
        churn.annotate("approve", churn.revision("2"))
        churn.until(lambda model: model.trial.get("weight") == 50, "users who meet version 2")
        first.kill()
    churn.behave("2", BROKEN)
    with operator():
        churn.until_rejected("2")
        assert churn.champion == "1"


def test_a_former_champion_that_had_a_bad_hour_may_come_back(
    churn: LiveModel, namespace: str, operator: Operator
) -> None:
    with operator():
        churn.apply("1")
        churn.until_serves("1")
        churn.kubelet.preview(namespace, "1", 1000, BROKEN)
        churn.apply("2")
        churn.until_serves("2")
        churn.apply("1")
        churn.until_serves("1")
        assert churn.rejected == []


def impostor(kube: Kube, churn: LiveModel, namespace: str, phase: str, ip: str) -> None:
    """A pod of the challenger's that has ended, or seems to run, and whose address is another one's."""
    labels = {MODEL_DEPLOYMENT_LABEL: churn.name, SLOT_LABEL: "green", REVISION_LABEL: churn.revision("2")}
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "evicted", "namespace": namespace, "labels": labels},
            "spec": {"schedulerName": "nobody", "containers": [{"name": "server", "image": "server"}]},
        }
    )
    status = {"phase": phase, "reason": "Evicted", "podIP": ip, "podIPs": [{"ip": ip}]}
    path = kube.path("v1", "Pod", namespace, "evicted", "status")
    kube.request("PATCH", path, {"status": status}, content="application/merge-patch+json")


@pytest.mark.parametrize("phase", ["Failed", "Running"])
def test_the_address_of_a_pod_that_is_gone_may_be_another_models(
    kube: Kube, churn: LiveModel, namespace: str, operator: Operator, phase: str
) -> None:
    neighbour = LiveModel(kube, churn.kubelet, namespace, "neighbour")
    with operator():
        neighbour.behave("9", FAILING)
        neighbour.apply("9")
        neighbour.until_serves("9")
        churn.apply("1")
        churn.until_serves("1")
        churn.apply("2", rollout={"steps": [A_STEP]})
        churn.until(lambda model: model.challenger == "2", "the challenger")
        [pod] = kube.list("v1", "Pod", namespace, f"{MODEL_DEPLOYMENT_LABEL}=neighbour")
        impostor(kube, churn, namespace, phase, pod["status"]["podIP"])
        churn.until_serves("2")
        assert churn.rejected == []


def test_a_quota_is_named_in_the_step_that_it_holds_up(
    kube: Kube, churn: LiveModel, namespace: str, operator: Operator
) -> None:
    quota: Object = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": namespace},
        "spec": {"hard": {"pods": "3"}},
    }
    with operator():
        churn.apply("1", server={"replicas": 2})
        churn.until_serves("1")
        kube.create(quota)
        churn.apply("2", server={"replicas": 2}, rollout={"steps": [A_STEP], "maxSurge": 1})
        churn.until(lambda model: "exceeded quota: few" in model.condition("Ready").get("message", ""), "the cause")
        assert churn.trial["step"]["name"] == "promote"
        kube.delete(quota)
        churn.until_serves("2")


def test_a_version_that_is_taken_out_of_the_registry_is_not_promoted(
    churn: LiveModel, operator: Operator, mlflow: MlflowServer
) -> None:
    registry, name = LiveRegistry(mlflow.url), "withdrawn"
    first = registry.publish(name)
    with operator(f"--mlflow-uri={mlflow.url}"):
        followed = {"registry": {"name": name, "alias": "candidate"}}
        churn.apply(followed, rollout={"steps": [{"weight": 50, "duration": "1h"}]})
        churn.until_serves(first)
        second = registry.publish(name)
        churn.until(lambda model: model.trial.get("weight") == 50, "the first step")
        registry.withdraw(name, "candidate")
        churn.until(lambda model: model.condition("Ready").get("reason") == "VersionGone", "the hold")
        assert (churn.champion, churn.condition("Stalled")["reason"]) == (first, "VersionGone")
        registry.point(name, "candidate", second)
        churn.until(lambda model: model.condition("Ready").get("reason") != "VersionGone", "the way on")
        assert churn.trial["weight"] == 50
        churn.apply(followed, rollout={"steps": [{"weight": 50, "duration": "1s"}]})
        churn.until_serves(second)

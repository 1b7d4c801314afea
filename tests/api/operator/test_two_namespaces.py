"""Two namespaces, one operator, one MLflow: what one of them does changes nothing of the model of the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.kube import Kube, eventually
from tests.support.kubelet import JobEnd, Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_policy import LivePolicy
from tests.support.live_registry import LiveRegistry
from tests.support.mlflow_server import MlflowServer
from viridian.api.registry import TAG_MODEL_DEPLOYMENT, TAG_NAMESPACES

pytestmark = pytest.mark.usefixtures("shared_operator")

CUSTOM = {
    "runtime": "Custom",
    "template": {
        "spec": {
            "schedulerName": "nobody",
            "containers": [{"name": "server", "image": "busybox", "command": ["sleep", "3600"]}],
        }
    },
}


class Bank:
    """The model that the other team serves, followed by its alias."""

    def __init__(self, kube: Kube, kubelet: Kubelet, namespace: str, registry: LiveRegistry) -> None:
        self.registry, self.name, self.namespace = registry, f"bank-{namespace}", namespace
        registry.publish(self.name)
        self.deployment = LiveModel(kube, kubelet, namespace, "bank")
        self.deployment.apply({"registry": {"name": self.name, "alias": "candidate"}})
        self.deployment.until_serves("1")
        eventually(lambda: "champion" in registry.aliases(self.name) or None, what="the champion's alias")
        self.next = registry.publish(self.name, alias="not-yet")

    def state(self) -> dict[str, Any]:
        versions = {version: self.registry.tags(self.name, version) for version in self.registry.versions(self.name)}
        tags, aliases = self.registry.model_tags(self.name), self.registry.aliases(self.name)
        return {"versions": versions, "tags": tags, "aliases": aliases}


@pytest.fixture
def registry(mlflow: MlflowServer) -> LiveRegistry:
    return LiveRegistry(mlflow.url)


@pytest.fixture
def bank(kube: Kube, kubelet: Kubelet, namespace: str, registry: LiveRegistry) -> Iterator[Bank]:
    other = f"{namespace}-b"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}}
    kube.create(manifest)
    yield Bank(kube, kubelet, other, registry)
    kube.delete(manifest)


def not_yours(model: LiveModel) -> str:
    """What RegistrySynced says; empty while it does not."""
    found = model.condition("RegistrySynced")
    return str(found["message"]) if (found.get("status"), found.get("reason")) == ("False", "NotYours") else ""


def events(kube: Kube, namespace: str) -> list[str]:
    found = kube.list("events.k8s.io/v1", "Event", namespace)
    return [str(event.get("note")) for event in found if event["reason"] == "RegistryNotSynced"]


def test_a_version_of_others_that_is_pinned_moves_no_alias_and_gets_no_tag(
    kube: Kube, churn: LiveModel, bank: Bank, registry: LiveRegistry
) -> None:
    before = bank.state()
    assert before["tags"] == {TAG_MODEL_DEPLOYMENT: f"{bank.namespace}/bank"}
    churn.apply({"registry": {"name": bank.name, "version": bank.next}}, server=CUSTOM)
    churn.until_serves(bank.next)
    churn.until(not_yours, "RegistrySynced=False, NotYours")
    said = not_yours(churn)
    assert f"belongs to the namespace {bank.namespace}" in said
    assert "viridian.namespaces" in said
    assert [note for note in events(kube, churn.namespace) if note.startswith("NotYours: ")]
    assert bank.state() == before
    assert bank.deployment.champion == "1"

    registry.tag_model(bank.name, TAG_NAMESPACES, f"{bank.namespace},{churn.namespace}")
    eventually(lambda: registry.aliases(bank.name)["champion"] == bank.next or None, what="the alias, once allowed")
    churn.until(lambda model: not model.condition("RegistrySynced"), "no complaint any more")


def test_no_run_trains_for_a_model_of_others(
    kube: Kube, kubelet: Kubelet, churn: LiveModel, bank: Bank, registry: LiveRegistry
) -> None:
    """Its report would name a model that another run has logged."""
    before = bank.state()
    churn.apply({"registry": {"name": bank.name, "alias": "candidate"}}, server=CUSTOM)
    policy = LivePolicy(kube, kubelet, churn.namespace)
    policy.apply(gate={"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.5}]})
    report = {"metrics": {"auc": 0.99}, "model": {"uri": registry.logged_by_another_run()}}
    kubelet.end_job(churn.namespace, "churn", JobEnd(0, json.dumps(report)))
    policy.ask_for_a_run("now")
    eventually(lambda: policy.condition("Stalled").get("reason") == "NotYours" or None, what="the run is held")
    assert policy.jobs() == []
    assert bank.state() == before
    assert bank.deployment.champion == "1"


def test_what_another_run_logged_is_not_registered_as_an_own_model_either(
    kube: Kube, kubelet: Kubelet, churn: LiveModel, namespace: str, registry: LiveRegistry
) -> None:
    churn.apply({"registry": {"name": namespace, "alias": "candidate"}})
    policy = LivePolicy(kube, kubelet, namespace)
    policy.apply(gate={"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.5}]})
    report = {"metrics": {"auc": 0.99}, "model": {"uri": registry.logged_by_another_run()}}
    kubelet.end_job(namespace, "churn", JobEnd(0, json.dumps(report)))
    policy.ask_for_a_run("now")
    run = policy.finished()
    assert run["outcome"] == "ForeignModel"
    assert "was logged by the MLflow run" in run["message"]
    assert churn.condition("ModelResolved")["reason"] == "ModelNotFound"

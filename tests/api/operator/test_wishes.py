"""P3: what was wished before leaves no trace in what users meet. And: a spec is never the operator's to write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.kube import Kube, Kubectl, eventually
from tests.support.kubelet import Kubelet
from tests.support.live_model import LiveModel
from tests.support.live_registry import LiveRegistry
from tests.support.manifests import retrain_policy
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess
from tests.support.recorder import present
from tests.support.roles import by_role, champion_part, difference
from viridian.api.names import RETRAINING_MANAGER, ROLLOUT_MANAGER, TRAIL_MANAGER

Wish = tuple[str, dict[str, Any]]

WISHES: dict[str, Wish] = {
    "another version": ("2", {}),
    "more pods": ("1", {"server": {"replicas": 3}}),
    "another port": ("2", {"server": {"port": 9000}}),
    "no fallback": ("2", {"fallback": {"replicas": 0}}),
    "no steps": ("2", {"rollout": {"steps": []}}),
    "a label on the pods": (
        "1",
        {"server": {"template": {"metadata": {"labels": {"team": "ml"}}, "spec": {"schedulerName": "nobody"}}}},
    ),
}


@pytest.fixture
def another(kube: Kube, kubelet: Kubelet, namespace: str) -> Any:
    """A second model of the same name, in a namespace of its own."""
    name = f"{namespace}-fresh"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kube.create(manifest)
    yield LiveModel(kube, kubelet, name)
    kube.delete(manifest)


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
def test_a_then_b_equals_a_fresh_b(
    churn: LiveModel, another: LiveModel, shared_operator: OperatorProcess, wish: Wish
) -> None:
    version, parts = wish
    churn.apply("1")
    another.apply(version, **parts)
    churn.until_serves("1")
    churn.apply(version, **parts)
    churn.until_serves(version)
    another.until_serves(version)
    until_same(churn, another)
    assert shared_operator.running


def test_a_then_b_then_a_equals_a_fresh_a(
    churn: LiveModel, another: LiveModel, shared_operator: OperatorProcess
) -> None:
    another.apply("1")
    for version in ("1", "2", "1"):
        churn.apply(version)
        churn.until_serves(version)
    another.until_serves("1")
    until_same(churn, another)
    assert shared_operator.running


def until_same(churn: LiveModel, another: LiveModel) -> None:
    """Users meet the same."""
    try:
        eventually(lambda: met(churn) == met(another), what="the same for users")
    except AssertionError as error:
        raise AssertionError(difference(met(another), met(churn))) from error


def met(model: LiveModel) -> dict[str, Any]:
    """What users meet of a model. How the Deployment controller came to its templates and pods is history."""
    roles = by_role(present(model.kube, model.namespace))
    for content in roles.values():
        content["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
        if content["kind"] == "Deployment":
            conditions = {(c["type"], c["status"]) for c in content["status"].get("conditions", ())}
            content["status"]["conditions"] = sorted(conditions)
    return champion_part(roles)


# ---- the spec belongs to Git


def wait_for_a_promotion(model: LiveModel) -> None:
    model.apply("1")
    model.until_serves("1")
    model.apply("2")
    model.until_serves("2")


def spec_owners(stored: dict[str, Any]) -> set[str]:
    managed = stored["metadata"]["managedFields"]
    return {entry["manager"] for entry in managed if "f:spec" in entry["fieldsV1"]}


def test_the_operator_never_writes_a_spec(
    kube: Kube, churn: LiveModel, namespace: str, shared_operator: OperatorProcess
) -> None:
    wait_for_a_promotion(churn)
    policy = kube.apply(retrain_policy(namespace))
    identities = (policy, churn.identity)
    eventually(lambda: all("revisions" in kube.read(one).get("status", {}) for one in identities), what="their trails")
    eventually(lambda: kube.read(policy)["status"].get("conditions"), what="the conditions of the policy")
    for stored, manager in ((kube.read(churn.identity), ROLLOUT_MANAGER), (kube.read(policy), RETRAINING_MANAGER)):
        assert spec_owners(stored) == {"test"}
        ours = [entry for entry in stored["metadata"]["managedFields"] if entry["manager"].startswith("viridian")]
        owners = {(entry["manager"], entry["subresource"]) for entry in ours}
        assert owners == {(manager, "status"), (TRAIL_MANAGER, "status")}
        assert all(set(entry["fieldsV1"]) == {"f:status"} for entry in ours)
        assert "finalizers" not in stored["metadata"]
    assert shared_operator.running


def test_the_same_manifests_applied_again_give_no_difference(
    kubectl: Kubectl, churn: LiveModel, namespace: str, shared_operator: OperatorProcess
) -> None:
    wait_for_a_promotion(churn)
    manifest = json.dumps(churn.manifest("2"))
    force = ("--server-side", "--field-manager=test")

    def nothing_differs() -> bool:
        done = kubectl.attempt("diff", *force, "-f", "-", stdin=manifest)
        return (done.returncode, done.stdout) == (0, "")

    def nothing_changes() -> bool:
        before = churn.kube.read(churn.identity)
        kubectl("apply", *force, "-f", "-", stdin=manifest)
        return churn.kube.read(churn.identity) == before

    # The status may still be on its way to rest.
    eventually(nothing_differs, what="a diff that shows nothing")
    eventually(nothing_changes, what="an apply that changes nothing")
    assert shared_operator.running


def test_a_candidate_that_follows_an_alias_changes_no_spec(
    churn: LiveModel, mlflow: MlflowServer, namespace: str, shared_operator: OperatorProcess
) -> None:
    registry = LiveRegistry(mlflow.url)
    first = registry.publish(namespace)
    stored = churn.apply({"registry": {"name": namespace, "alias": "candidate"}})
    churn.until_serves(first)
    second = registry.publish(namespace)
    churn.until_serves(second)
    eventually(
        lambda: registry.aliases(namespace) == {"candidate": second, "champion": second, "previous": first},
        what="the aliases, after the traffic",
    )
    assert churn.kube.read(churn.identity)["metadata"]["generation"] == stored["metadata"]["generation"]
    assert shared_operator.running

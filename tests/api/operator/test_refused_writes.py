"""What stands in the way of one kind of write, on the real API server: a policy, a webhook that nobody answers for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.kube import Kube, Object, Refused, eventually
from tests.support.kubelet import NEVER_READY
from tests.support.live_model import LiveModel
from tests.support.memory_pods import BROKEN
from tests.support.operator_process import OperatorProcess

pytestmark = pytest.mark.usefixtures("shared_operator", "safe")

LONG_STEP = {"steps": [{"weight": 50, "duration": "1h"}], "maxSurge": 2}


def inside(namespace: str) -> Object:
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


def change_freeze(namespace: str, resource: str, group: str, version: str) -> list[Object]:
    """A policy that denies every update of a resource in the namespace."""
    name = f"freeze-{namespace}"
    rule = {"apiGroups": [group], "apiVersions": [version], "operations": ["UPDATE"], "resources": [resource]}
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"namespaceSelector": inside(namespace), "resourceRules": [rule]},
                "validations": [{"expression": "false", "message": "change freeze until Monday"}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]


def dead_webhook(namespace: str) -> list[Object]:
    """Every write of a Deployment in the namespace asks a Service that does not exist."""
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}
    webhook = {
        "name": "gate.example.com",
        "namespaceSelector": inside(namespace),
        "rules": [rule],
        "clientConfig": {"service": {"namespace": namespace, "name": "nobody", "path": "/"}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 2,
    }
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": f"gate-{namespace}"},
            "webhooks": [webhook],
        }
    ]


@contextmanager
def in_force(kube: Kube, barrier: list[Object], touch: Callable[[], object]) -> Iterator[None]:
    """The barrier, from when it refuses what `touch` does until it is taken away again."""
    for part in barrier:
        kube.create(part)
    try:
        eventually(lambda: _refuses(touch), what="the barrier")
        yield
    finally:
        for part in reversed(barrier):
            kube.delete(part)


def _refuses(touch: Callable[[], object]) -> bool:
    try:
        touch()
    except Refused:
        return True
    return False


def touching(churn: LiveModel, api_version: str, kind: str, name: str) -> Callable[[], object]:
    """Somebody annotates an object of the model."""
    metadata = {"name": name, "namespace": churn.namespace}
    target: Object = {"apiVersion": api_version, "kind": kind, "metadata": metadata}
    return lambda: churn.kube.merge(target, {"metadata": {"annotations": {"touched": str(time.monotonic())}}})


def touch_deployment(churn: LiveModel) -> Callable[[], object]:
    return touching(churn, "apps/v1", "Deployment", "churn-blue")


def events(churn: LiveModel) -> list[str]:
    found = churn.kube.list("events.k8s.io/v1", "Event", churn.namespace)
    return [event["reason"] for event in found if event["regarding"]["kind"] == "ModelDeployment"]


def on_trial(churn: LiveModel) -> None:
    churn.apply("1")
    churn.until_serves("1")
    churn.apply("2", rollout=LONG_STEP)
    churn.until(lambda model: model.trial.get("weight") == 50, "the first step")


@pytest.mark.parametrize(
    ("barrier", "condition", "reason", "says", "event"),
    [
        (
            lambda namespace: change_freeze(namespace, "deployments", "apps", "v1"),
            "Stalled",
            "ApplyRefused",
            "change freeze until Monday",
            "Stalled",
        ),
        (dead_webhook, "Reconciling", "ApplyUnavailable", "gate.example.com", "ApplyUnavailable"),
    ],
    ids=["a policy", "a webhook that is down"],
)
def test_deployments_are_not_taken_in_mid_trial(
    kube: Kube,
    churn: LiveModel,
    barrier: Callable[[str], list[Object]],
    condition: str,
    reason: str,
    says: str,
    event: str,
) -> None:
    """The edit is answered and told of; the judge looks on, and the way back takes what it always takes."""
    on_trial(churn)
    with in_force(kube, barrier(churn.namespace), touch_deployment(churn)):
        edited = churn.apply("2", rollout=LONG_STEP, server={"replicas": 2})
        churn.until(lambda model: model.condition(condition).get("reason") == reason, "the obstacle in the status")
        said = churn.condition(condition)
        assert said["status"] == "True"
        assert "Deployment churn-" in said["message"]
        assert says in said["message"]
        assert churn.status["observedGeneration"] == edited["metadata"]["generation"]
        churn.until(lambda _: event in events(churn), "the event")
        churn.behave("2", BROKEN)
        churn.until_rejected("2")
        assert churn.selector()["viridian.dev/slot"] == "blue"
        status = churn.status
        assert (churn.champion, "challenger" in status) == ("1", False)
        assert status["lastRollback"]["seconds"] < 10
        assert events(churn).count(event) == 1
    churn.until(lambda model: model.condition(condition).get("reason") != reason, "nothing in the way")
    churn.until(lambda _: kube.get("apps/v1", "Deployment", "churn-blue", churn.namespace)["spec"]["replicas"] == 2,  # type: ignore[index]
                "the edit")  # fmt: skip


def test_a_webhook_that_is_down_hides_no_edit(kube: Kube, churn: LiveModel) -> None:
    churn.apply("1")
    churn.until_serves("1")
    with in_force(kube, dead_webhook(churn.namespace), touch_deployment(churn)):
        edited = churn.apply("2")
        churn.until(lambda model: model.condition("Reconciling").get("reason") == "ApplyUnavailable", "the sentence")
        assert "gate.example.com" in churn.condition("Reconciling")["message"]
        assert churn.status["observedGeneration"] == edited["metadata"]["generation"]
        assert churn.condition("Ready")["status"] == "True"
        churn.until(lambda _: "ApplyUnavailable" in events(churn), "the event")
    churn.until_serves("2")


def test_the_service_itself_is_refused_and_the_bad_version_goes_all_the_same(kube: Kube, churn: LiveModel) -> None:
    on_trial(churn)
    touch = touching(churn, "v1", "Service", "churn")
    with in_force(kube, change_freeze(churn.namespace, "services", "", "v1"), touch):
        churn.behave("2", BROKEN)
        churn.until_rejected("2")
        found = kube.get("apps/v1", "Deployment", "churn-green", churn.namespace)
        assert found is not None
        assert found["spec"]["replicas"] == 0
        churn.until(lambda model: model.condition("Stalled").get("reason") == "ApplyRefused", "the sentence")
        assert "Service churn" in churn.condition("Stalled")["message"]
    churn.until(lambda model: "viridian.dev/slot" in model.selector(), "the traffic record")
    churn.until(lambda model: model.condition("Stalled").get("reason") == "RevisionRejected", "rest")
    assert churn.champion == "1"


def test_a_drain_is_never_held_up_by_pods_that_are_not_ready(
    kube: Kube, churn: LiveModel, shared_operator: OperatorProcess
) -> None:
    """The eviction of a pod that runs and serves nobody is allowed, although the budget has nothing to spare."""
    churn.fare("1", NEVER_READY)
    churn.apply("1", server={"replicas": 2})
    labels = "viridian.dev/model-deployment=churn"

    def running() -> list[Object] | None:
        pods = kube.list("v1", "Pod", churn.namespace, labels)
        return pods if len(pods) == 2 and all(pod["status"].get("phase") == "Running" for pod in pods) else None

    pods = eventually(running, what="two pods that run and are never ready")
    budget = eventually(
        lambda: _counted(kube.get("policy/v1", "PodDisruptionBudget", "churn-blue", churn.namespace)),
        what="the budget to be counted",
    )
    assert budget["status"]["disruptionsAllowed"] == 0
    for pod in pods:
        name = pod["metadata"]["name"]
        metadata = {"name": name, "namespace": churn.namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        kube.request("POST", kube.path("v1", "Pod", churn.namespace, name, "eviction"), eviction)


def _counted(budget: Object | None) -> Object | None:
    return budget if budget is not None and budget.get("status", {}).get("expectedPods") == 2 else None

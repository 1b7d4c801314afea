"""Rollouts from their first deployment to their end, as users see them."""

from __future__ import annotations

import pytest

from tests.support.kube import Kube
from tests.support.live_model import LiveModel
from tests.support.live_registry import LiveRegistry
from tests.support.memory_pods import BROKEN, SLOW, Behaviour
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess

pytestmark = pytest.mark.usefixtures("shared_operator", "safe")


def reasons(kube: Kube, namespace: str) -> list[str]:
    """Reasons of the operator's events, in their order."""
    events = kube.list("events.k8s.io/v1", "Event", namespace)
    ours = [event for event in events if event.get("reportingController", "").startswith("viridian")]
    return [event["reason"] for event in sorted(ours, key=lambda event: event["eventTime"])]


def test_a_first_deployment_serves(churn: LiveModel, shared_operator: OperatorProcess) -> None:
    churn.apply("1", server={"replicas": 2})
    churn.until_serves("1")
    assert churn.condition("Ready")["status"] == "True"
    assert churn.selector()["viridian.dev/slot"] == "blue"
    assert churn.status["replicas"] == 2
    assert shared_operator.running


def test_a_promotion_goes_through_its_steps(kube: Kube, churn: LiveModel, namespace: str) -> None:
    churn.apply("1")
    churn.until_serves("1")
    churn.apply("2")
    churn.until_serves("2")
    status = churn.status
    assert (status["champion"]["slot"], status["fallback"]["ready"]) == ("green", True)
    assert [(entry["outcome"], churn.version_of(entry["revision"])) for entry in status["history"]] == [
        ("Promoted", "2"),
        ("Promoted", "1"),
    ]
    assert reasons(kube, namespace).count("StepAdvanced") == 3
    assert churn.condition("RollbackReady")["status"] == "True"


@pytest.mark.parametrize("bad", [BROKEN, SLOW], ids=["30 % errors", "slow"])
def test_a_bad_version_is_reverted(churn: LiveModel, bad: Behaviour) -> None:
    churn.apply("1")
    churn.until_serves("1")
    churn.behave("2", bad)
    told_before = len(churn.kubelet.closed)
    churn.apply("2")
    churn.until_rejected("2")
    churn.until(lambda model: "Close" in [idle for _, idle in model.kubelet.closed[told_before:]], "an order to close")
    assert churn.champion == "1"
    assert churn.selector()["viridian.dev/slot"] == "blue"
    rollback = churn.status["lastRollback"]
    assert (rollback["reason"], rollback["from"]) == ("MetricBreach", churn.revision("2"))
    assert churn.condition("Ready")["status"] == "True"
    churn.until(lambda model: model.condition("Stalled").get("reason") == "RevisionRejected", "Stalled")


def test_a_version_that_was_made_with_other_features_gets_no_traffic(churn: LiveModel, mlflow: MlflowServer) -> None:
    """Its tag in MLflow says with which; the spec says which one servers are started with."""
    registry, name, old, new = LiveRegistry(mlflow.url), "skewed", f"sha256:{'0' * 64}", f"sha256:{'f' * 64}"
    model = {"registry": {"name": name, "alias": "candidate"}, "features": {"ref": "churn", "digest": old}}
    first = registry.publish(name, features=old)
    churn.apply(model)
    churn.until_serves(first)
    second = registry.publish(name, features=new)
    churn.until(lambda live: live.condition("FeaturesMatch").get("reason") == "FeatureSkew", "the condition")
    (rejected,) = churn.status["rejected"]
    assert (rejected["version"], rejected["reason"]) == (second, "FeatureSkew")
    assert (churn.champion, churn.status["champion"]["featuresDigest"]) == (first, old)
    churn.apply({**model, "features": {"ref": "churn", "digest": new}})
    churn.until_serves(second)
    assert churn.status["champion"]["featuresDigest"] == new
    assert churn.condition("FeaturesMatch") == {}

"""A Deployment and a Service that people have made by themselves, on the real API server."""

from __future__ import annotations

import pytest

from tests.support.kube import Kube, Object, eventually
from tests.support.live_model import LiveModel
from viridian.api.names import ADOPT_LABEL, MANAGED_BY, MANAGED_BY_LABEL

pytestmark = pytest.mark.usefixtures("shared_operator")
SIGN_OFF = {"steps": [{"weight": 25, "duration": "1h"}, {"name": "sign-off", "approval": {}}]}
BEFORE = {"deployment": "churn-flask"}


@pytest.fixture
def served(kube: Kube, namespace: str) -> Object:
    """The Service, whose pods are ready. They have the one label by which the scripted kubelet knows its pods."""
    labels = {"app": "churn-flask", MANAGED_BY_LABEL: MANAGED_BY}
    container = {"name": "flask", "image": "flask:1", "ports": [{"containerPort": 8501}]}
    made = kube.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "churn-flask", "namespace": namespace},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"schedulerName": "nobody", "containers": [container]},
                },
            },
        }
    )
    service = kube.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "churn", "namespace": namespace, "labels": {ADOPT_LABEL: "churn"}},
            "spec": {"selector": {"app": "churn-flask"}, "ports": [{"name": "web", "port": 8080, "targetPort": 8501}]},
        }
    )
    eventually(lambda: kube.read(made).get("status", {}).get("readyReplicas") == 2, what="its pods", timeout=60)
    return service


def pods(kube: Kube, namespace: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in kube.list("v1", "Pod", namespace, "app=churn-flask")}


def test_it_is_taken_over_as_it_is_and_is_the_way_back_of_the_first_version(
    churn: LiveModel, kube: Kube, served: Object
) -> None:
    uids = pods(kube, churn.namespace)
    churn.apply("1", rollout=SIGN_OFF, predecessor=BEFORE)
    churn.until(lambda model: model.trial.get("waitingReason") == "Approval", "the question about version 1")
    assert churn.status["champion"]["revision"] == "deployment:churn-flask"
    assert kube.read(served)["spec"] == served["spec"]
    churn.annotate("approve", churn.revision("1"))
    churn.until(lambda model: model.champion == "1", "version 1 as the champion")
    assert churn.selector()["viridian.dev/slot"] == "blue"
    (port,) = kube.read(served)["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8080, "http")
    churn.until(lambda model: model.condition("RollbackReady").get("status") == "True", "the way back")
    churn.annotate("rollback", churn.revision("1"))
    eventually(lambda: kube.read(served)["spec"] == served["spec"], what="the Service as it was before", timeout=30)
    assert pods(kube, churn.namespace) == uids
    churn.until(lambda model: model.rejected == ["1"], "its rejection")

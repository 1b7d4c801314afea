"""Autoscalers of slots on the real API server, beside the real controller of HorizontalPodAutoscalers.

There are no measurements here: that controller holds the bounds, and the test scales in between as it would.
"""

from __future__ import annotations

import pytest

from tests.support.kube import Object, eventually
from tests.support.live_model import LiveModel
from tests.support.recorder import changes

AUTOSCALER = ("autoscaling/v2", "HorizontalPodAutoscaler")
QUIET = 5
"""Seconds in which an operator with nothing to do writes nothing."""


def autoscaler(model: LiveModel, slot: str) -> tuple[int, int] | None:
    found = model.kube.get(*AUTOSCALER, f"churn-{slot}", model.namespace)
    return (found["spec"]["minReplicas"], found["spec"]["maxReplicas"]) if found is not None else None


def deployment(model: LiveModel, slot: str) -> Object:
    found = model.kube.get("apps/v1", "Deployment", f"churn-{slot}", model.namespace)
    assert found is not None
    return found


def pods(model: LiveModel, slot: str) -> int:
    return int(deployment(model, slot)["spec"]["replicas"])


@pytest.mark.usefixtures("shared_operator", "safe")
def test_an_autoscaler_for_each_slot_and_nobody_fights(churn: LiveModel) -> None:
    parts = {"server": {"replicas": 1, "autoscaling": {"maxReplicas": 4}}, "rollout": {"analysis": {"metrics": []}}}
    churn.apply("1", **parts)
    churn.until_serves("1")
    eventually(lambda: autoscaler(churn, "blue") == (1, 4), what="the autoscaler of the champion")
    churn.kube.merge(deployment(churn, "blue"), {"spec": {"replicas": 3}}, subresource="scale")
    churn.until(lambda model: model.status.get("replicas") == 3, "three pods")
    churn.until_serves("1")
    found = changes(churn.kube, churn.namespace, QUIET)
    assert [change for change in found if "churn-blue" in change and "(viridian" in change] == []
    assert pods(churn, "blue") == 3

    churn.apply("2", **parts)
    churn.until(lambda model: autoscaler(model, "blue") == (3, 3), "the autoscaler to rest at what it had found")
    churn.until_serves("2")
    eventually(lambda: autoscaler(churn, "green") == (1, 4), what="the autoscaler of the new champion")
    assert pods(churn, "green") == 3

    churn.kube.merge(churn.identity, {"spec": {"server": {"autoscaling": None}}})
    eventually(lambda: churn.kube.list(*AUTOSCALER, churn.namespace) == [], what="the autoscalers to go")
    eventually(lambda: pods(churn, "green") == 1, what="as many pods as replicas")


@pytest.mark.usefixtures("shared_operator")  # without pods nobody is served
def test_a_scaler_of_other_people_scales_the_modeldeployment(churn: LiveModel) -> None:
    """As KEDA or a HorizontalPodAutoscaler does that names it: by the scale subresource."""
    churn.apply("1")
    churn.until_serves("1")
    churn.kube.merge(churn.identity, {"spec": {"replicas": 3}}, subresource="scale")
    churn.until(lambda model: model.status.get("replicas") == 3, "three pods")
    churn.until_serves("1")
    assert pods(churn, "blue") == 3
    churn.kube.merge(churn.identity, {"spec": {"replicas": 0}}, subresource="scale")
    eventually(lambda: pods(churn, "blue") == 0, what="no pods")
    churn.kube.merge(churn.identity, {"spec": {"replicas": 1}}, subresource="scale")
    churn.until_serves("1")

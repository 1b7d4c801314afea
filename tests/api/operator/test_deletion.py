"""Deleted in any state, a ModelDeployment leaves nothing behind, and nothing is made again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.kube import Kube, eventually
from tests.support.kubelet import NEVER_READY
from tests.support.live_model import LiveModel
from tests.support.memory_pods import BROKEN
from tests.support.operator_process import OperatorProcess

OWNED = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "ControllerRevision"),
    ("v1", "Service"),
    ("v1", "Pod"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
)


def never_ready(model: LiveModel) -> None:
    model.fare("1", NEVER_READY)
    model.apply("1")
    model.until(lambda model: model.challenger == "1", "a challenger")


def serving(model: LiveModel) -> None:
    model.apply("1")
    model.until_serves("1")


def on_trial(model: LiveModel) -> None:
    serving(model)
    model.apply("2", rollout={"steps": [{"weight": 50, "duration": "1h"}]})
    model.until(lambda model: model.trial.get("weight") == 50, "the first step")


def promoted(model: LiveModel) -> None:
    serving(model)
    model.apply("2")
    model.until_serves("2")


def rejected(model: LiveModel) -> None:
    serving(model)
    model.behave("2", BROKEN)
    model.apply("2")
    model.until_rejected("2")


STATES = [never_ready, serving, on_trial, promoted, rejected]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__.replace("_", " "))
def test_everything_goes_with_it(
    kube: Kube,
    churn: LiveModel,
    namespace: str,
    shared_operator: OperatorProcess,
    state: Callable[[LiveModel], None],
) -> None:
    state(churn)
    churn.delete()
    eventually(lambda: left(kube, namespace) == [], what=f"the end of {left(kube, namespace)}")
    key = f"ModelDeployment {namespace}/churn"
    assert not [entry for entry in shared_operator.entries() if entry.get("key") == key and entry["level"] == "error"]


def test_one_of_the_same_name_begins_anew(churn: LiveModel, shared_operator: OperatorProcess) -> None:
    rejected(churn)
    churn.delete()
    churn.apply("2")
    churn.until(lambda model: model.champion == "2", "version 2, which nobody rejected here")
    assert churn.rejected == []
    assert shared_operator.running


def left(kube: Kube, namespace: str) -> list[str]:
    """What is still there of what was owned."""
    return [
        f"{kind} {item['metadata']['name']}"
        for api_version, kind in OWNED
        for item in kube.list(api_version, kind, namespace)
    ]

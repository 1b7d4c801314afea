"""What is down changes nothing for what runs: the operator, the registry, the API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster.controlplane import ControlPlane
from tests.api.operator.conftest import Operator
from tests.support.kube import Kube, Object, eventually
from tests.support.live_model import LiveModel
from tests.support.live_registry import LiveRegistry
from tests.support.memory_pods import BROKEN
from tests.support.mlflow_server import MlflowServer, mlflow_server
from tests.support.recorder import Recorder, present
from tests.support.safety import violations

LONG_STEP = {"steps": [{"weight": 50, "duration": "1h"}]}


def plain(kube: Kube, namespace: str) -> dict[str, Object]:
    """Everything the operator could have touched, as it is stored."""
    return {str(reference): content for reference, content in present(kube, namespace).objects.items()}


# ---- the operator


def test_while_the_operator_is_down_what_runs_goes_on(
    kube: Kube, churn: LiveModel, namespace: str, operator: Operator, recorder: Recorder
) -> None:
    with operator() as first:
        churn.apply("1")
        churn.until_serves("1")
        churn.apply("2", rollout=LONG_STEP)
        churn.until(lambda model: model.trial.get("weight") == 50, "the first step")
        first.kill()
    before = plain(kube, namespace)
    pods = {pod["metadata"]["uid"] for pod in kube.list("v1", "Pod", namespace)}
    churn.behave("2", BROKEN)
    asked = churn.kubelet.errors(namespace)
    eventually(lambda: churn.kubelet.errors(namespace) >= asked + 20, what="users who meet the bad version")
    assert plain(kube, namespace) == before
    assert {pod["metadata"]["uid"] for pod in kube.list("v1", "Pod", namespace)} == pods
    with operator():
        churn.until_rejected("2")
        assert churn.champion == "1"
        assert churn.selector()["viridian.dev/slot"] == "blue"
        churn.until(lambda model: model.condition("Stalled").get("status") == "True", "rest")
    assert violations(recorder.worlds(namespace)) == []


# ---- the registry


@pytest.fixture
def registry_server(tmp_path: Path) -> Iterator[MlflowServer]:
    """An MLflow server of the test's own, which it may end."""
    folder = tmp_path / "mlflow"
    folder.mkdir()
    with mlflow_server(folder) as server:
        yield server


@pytest.mark.needs_mlflow
def test_without_the_registry_what_runs_goes_on_and_a_revert_works(
    kube: Kube, churn: LiveModel, namespace: str, operator: Operator, registry_server: MlflowServer
) -> None:
    registry = LiveRegistry(registry_server.url)
    first = registry.publish("churn")
    with operator(f"--mlflow-uri={registry_server.url}") as process:
        churn.apply({"registry": {"name": "churn", "alias": "candidate"}}, rollout=LONG_STEP)
        churn.until_serves(first)
        second = registry.publish("churn")
        churn.until(lambda model: model.trial.get("weight") == 50, "the first step")

        registry_server.process.terminate()
        registry_server.process.wait(timeout=30)
        churn.until(lambda model: model.condition("ModelResolved").get("reason") == "RegistryUnavailable", "the outage")
        assert churn.condition("Ready")["status"] == "True"
        assert (churn.champion, churn.challenger) == (first, second)

        churn.behave(second, BROKEN)
        churn.until_rejected(second)
        assert churn.champion == first
        assert churn.selector()["viridian.dev/slot"] == "blue"
        churn.until(lambda model: "challenger" not in model.status, "rest")
        assert churn.condition("Ready")["status"] == "True"
        assert process.running


# ---- the API server


def restarted(plane: ControlPlane) -> None:
    plane.restart_apiserver()


def compacted(plane: ControlPlane) -> None:
    """Every watch is from a version that nobody remembers."""
    plane.stop_apiserver()
    plane.compact_etcd()
    plane.start_apiserver()


@pytest.mark.parametrize("fault", [restarted, compacted], ids=["restarted", "restarted with a compacted history"])
def test_the_api_server_restarts_in_mid_rollout(
    control_plane: ControlPlane, churn: LiveModel, operator: Operator, fault: object
) -> None:
    assert callable(fault)
    with operator() as process:
        churn.apply("1")
        churn.until_serves("1")
        churn.apply("2", rollout={"steps": [{"weight": 50, "duration": "8s"}]})
        churn.until(lambda model: model.trial.get("weight") == 50, "the first step")
        fault(control_plane)
        churn.apply("3")
        churn.until_serves("3")
        assert process.running, process.log()

"""Every wrong manifest that the API server takes is answered by the operator in a condition that helps."""

from __future__ import annotations

import pytest

from tests.api.wrong_manifests import OutcomeInput, Wrong, rows
from tests.support.kube import Kube, condition, eventually
from tests.support.live_registry import LiveRegistry
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess


@pytest.fixture(scope="module", autouse=True)
def _churn_is_registered(mlflow: MlflowServer) -> None:
    """So that the mistake of a row is its only one."""
    LiveRegistry(mlflow.url).publish("churn")


@pytest.mark.parametrize("wrong", [pytest.param(row, id=row.mistake) for row in rows(OutcomeInput)])
def test_told(kube: Kube, namespace: str, shared_operator: OperatorProcess, wrong: Wrong) -> None:
    answer = wrong.answer
    assert isinstance(answer, OutcomeInput)
    for manifest in wrong.before(namespace):
        kube.create(manifest)
    stored = kube.create(wrong.manifest(namespace))

    def told() -> bool:
        found = condition(kube.read(stored), answer.type)
        assert (found.get("status"), found.get("reason")) == (answer.status, answer.reason), kube.read(stored)
        assert all(part in found["message"] for part in answer.says.split("... ")), found["message"]
        return bool(found["observedGeneration"] == stored["metadata"]["generation"])

    eventually(told, what=f"{answer.type} {answer.status} {answer.reason}: {answer.says}")
    assert shared_operator.running

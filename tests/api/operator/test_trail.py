"""The trail of audit on a real API server and a real MLflow: what it has of an object, also once that is gone."""

from __future__ import annotations

from typing import Any

from tests.support.kube import eventually
from tests.support.live_model import LiveModel
from tests.support.live_registry import LiveRegistry
from tests.support.mlflow_server import MlflowServer
from tests.support.operator_process import OperatorProcess
from viridian.api import reasons


def test_mlflow_has_each_change_once_also_of_an_object_that_is_gone(
    churn: LiveModel, mlflow: MlflowServer, namespace: str, shared_operator: OperatorProcess
) -> None:
    registry = LiveRegistry(mlflow.url)

    def entries(what: str) -> list[dict[str, Any]]:
        return [entry for entry in registry.trail(namespace) if entry["what"] == what]

    churn.apply("1")
    churn.until_serves("1")
    eventually(lambda: entries(reasons.CREATED) or None, what="the entry of its creation")
    churn.apply("1", rollout={"probation": "3s"})
    (edit,) = eventually(lambda: entries(reasons.SPEC_CHANGED) or None, what="the entry of the edit")
    assert (edit["by"], edit["changed"], edit["generation"]) == ("test", ["rollout.probation: 2s → 3s"], 2)
    newest, first = eventually(lambda: two_of(churn.status["revisions"]), what="both revisions in the status")
    assert (newest["number"], newest["changed"], first["number"]) == (2, edit["changed"], 1)
    before = registry.trail(namespace)
    churn.delete()
    eventually(lambda: churn.kube.list("apps/v1", "ControllerRevision", namespace) == [], what="its records are gone")
    assert registry.trail(namespace)[: len(before)] == before
    assert [entry["what"] for entry in before].count(reasons.CREATED) == 1
    assert shared_operator.running


def two_of(found: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The trail is told before the status is written."""
    return found if len(found) == 2 else None

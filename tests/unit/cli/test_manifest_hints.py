"""Hints about manifests that are right each by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.manifests import model_deployment, retrain_policy
from viridian.cli.manifest_hints import hints

EXPERIMENT = {"name": "ab", "experiment": {"outcome": "Higher", "smallestEffect": 0.01, "maxDuration": "7d"}}
DRIFT = {"name": "drift", "monitors": {"names": ["data"]}}


def deployment(namespace: str | None = "ml", name: str = "churn", **rollout: Any) -> dict[str, Any]:
    made = model_deployment("ml")
    made["metadata"] = {"name": name, **({"namespace": namespace} if namespace else {})}
    made["spec"] |= {"feedback": {}, "rollout": {"steps": [EXPERIMENT, {"weight": 100}], **rollout}}
    return made


def policy(*triggers: dict[str, Any], namespace: str | None = "ml", **spec: Any) -> dict[str, Any]:
    made = retrain_policy("ml")
    made["metadata"] = {"name": "churn", **({"namespace": namespace} if namespace else {})}
    made["spec"] |= {"modelDeployment": "churn", "triggers": list(triggers or (DRIFT,)), **spec}
    return made


def test_a_trigger_that_may_end_an_experiment_is_named_with_what_to_write() -> None:
    both = [deployment(), policy({"name": "weekly", "schedule": {"cron": "0 3 * * 1"}, "cooldown": "8d"}, DRIFT)]
    (hint,) = hints(both[1], both)
    assert hint.path == ("spec", "triggers", 1)
    assert (
        "the trigger drift may start a run while the experiment of step ab of the ModelDeployment churn" in hint.message
    )
    assert "set cooldown: 7d here or in spec.budget" in hint.message


@pytest.mark.parametrize(
    ("trained", "served"),
    [
        (policy({**DRIFT, "cooldown": "7d"}), deployment()),
        (policy(budget={"cooldown": "10d"}), deployment()),
        (policy(mode="Recommend"), deployment()),
        (policy(), deployment(steps=[{"weight": 50}])),
        (policy(), deployment(namespace="other")),
        (policy(), deployment(name="other")),
        (policy(namespace=None), deployment()),
    ],
    ids=["cooldown", "budget", "a person starts runs", "no experiment", "namespace", "name", "no namespace"],
)
def test_what_ends_no_experiment_has_no_hint(trained: dict[str, Any], served: dict[str, Any]) -> None:
    assert list(hints(trained, [trained, served])) == []
    assert list(hints(served, [trained, served])) == []


def test_manifests_without_a_namespace_go_together() -> None:
    trained, served = policy(namespace=None), deployment(namespace=None)
    assert len(list(hints(trained, [trained, served]))) == 1

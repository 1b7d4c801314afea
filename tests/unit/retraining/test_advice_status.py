"""The advice in the status of a RetrainPolicy, and the condition that contradicts an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.manifests import model_deployment, retrain_policy
from viridian.retraining.decide import decide
from viridian.retraining.input import TrainingSettings, facts_of
from viridian.retraining.interpret import interpret

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def status(context: dict[str, Any] | None, verdict: str = "Quiet") -> dict[str, Any]:
    """The status of the policy, where the monitor `inputs` of the champion has that verdict."""
    more: dict[str, Any] = {} if context is None else {"context": context}
    deployment = model_deployment("ml", monitoring={"monitors": [{"name": "inputs", "drift": {}}]}, **more)
    window = {"start": "2026-11-27T00:00:00Z", "end": "2026-11-28T00:00:00Z"}
    monitors = [{"name": "inputs", "verdict": verdict}]
    deployment["status"] = {
        "champion": {"version": "1", "revision": "r1"},
        "monitoring": {"revision": "r1", **window, "monitors": monitors},
    }
    policy = retrain_policy("ml")
    policy["metadata"] |= {"uid": "1", "creationTimestamp": "2026-11-27T00:00:00Z"}
    facts = facts_of(policy, deployment, (), {}, TrainingSettings(mlflow_uri="http://mlflow:5000"))
    plan = decide(interpret(facts, NOW))
    assert plan.status is not None
    return dict(plan.status)


def contradiction(found: dict[str, Any]) -> str:
    messages = [one["message"] for one in found["conditions"] if one["type"] == "ContextContradicted"]
    return "".join(messages)


def test_the_advice_is_in_the_status() -> None:
    found = status({"maturity": "New", "models": 100})
    assert (found["advice"]["workflow"], found["advice"]["next"]) == ("Linear", "Iterative")
    assert contradiction(found) == ""


@pytest.mark.parametrize("context", [None, {}])
def test_without_answers_there_is_none(context: dict[str, Any] | None) -> None:
    assert "advice" not in status(context)


def test_drift_contradicts_stable_data_and_stops_nothing() -> None:
    found = status({"dataStability": "Stable"}, verdict="Fired")
    assert contradiction(found).startswith("context.dataStability is Stable, and a monitor of drift")
    assert found["advice"]["workflow"] == "Linear"
    calm = status({"dataStability": "Stable"})
    assert contradiction(calm) == ""
    ready = [[one["status"] for one in status["conditions"] if one["type"] == "Ready"] for status in (found, calm)]
    assert ready[0] == ready[1]

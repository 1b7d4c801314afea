"""Workflows are sets of defaults: what a person writes counts, and nothing but values differs between them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.manifests import model_deployment, retrain_policy
from tests.support.memory_registry import MemoryRegistry
from tests.unit.retraining.world import World, deployment
from viridian.api import crd
from viridian.api.automation import CircuitBreaker
from viridian.api.names import RUN_LABEL
from viridian.api.schema import VALIDATIONS
from viridian.api.workflow import WORKFLOW_DEFAULTS, WORKFLOW_PATHS, Workflow, leaves
from viridian.retraining.decide import decide
from viridian.retraining.input import PolicyFacts, TrainingSettings, facts_of
from viridian.retraining.interpret import interpret
from viridian.retraining.workflow_defaults import effective

STAGES = {"training": {"template": {"spec": {"containers": [{"name": "train", "image": "churn-train:1"}]}}}}


def facts(spec: dict[str, Any], *, champion: str = "") -> PolicyFacts:
    deployment: dict[str, Any] = {
        "metadata": {"name": "churn"},
        "spec": {"model": {"registry": {"name": "churn", "alias": "candidate"}}},
        "status": {"champion": {"version": champion}} if champion else {},
    }
    policy = {
        "metadata": {"name": "churn", "namespace": "ml", "uid": "1", "creationTimestamp": "2026-11-01T00:00:00Z"},
        "spec": {"modelDeployment": "churn", "stages": STAGES, **spec},
    }
    return facts_of(policy, deployment, (), {}, TrainingSettings())


@pytest.mark.parametrize(("workflow", "cooldown"), [("Linear", "7d"), ("Iterative", "1d"), ("Agile", "1h")])
def test_a_workflow_sets_what_the_spec_leaves_out(workflow: str, cooldown: str) -> None:
    found = facts({"workflow": workflow})
    assert found.spec is not None
    assert found.spec.budget.cooldown == cooldown
    assert found.workflow is not None
    assert found.workflow.defaults["budget.cooldown"] == cooldown


def test_what_a_person_writes_counts_even_where_it_is_the_common_default() -> None:
    found = facts({"workflow": "Linear", "budget": {"cooldown": "0s"}, "circuitBreaker": {"rejectedInARow": 4}})
    assert found.spec is not None
    assert found.spec.budget.cooldown == "0s"
    assert found.spec.budget.max_runs == 4
    assert found.spec.circuit_breaker == CircuitBreaker(rejected_in_a_row=4)
    assert found.workflow is not None
    assert {"budget.cooldown", "circuitBreaker.rejectedInARow"}.isdisjoint(found.workflow.defaults)


def test_without_a_workflow_nothing_is_set() -> None:
    found = facts({})
    assert found.workflow is None
    assert found.spec is not None
    assert (found.spec.budget.cooldown, found.spec.budget.max_runs, found.spec.circuit_breaker) == ("0s", None, None)


def test_the_later_workflow_begins_with_the_first_promotion() -> None:
    spec = {"workflow": "Linear", "workflowAfterFirstPromotion": "Agile"}
    before, after = facts(spec), facts(spec, champion="1")
    assert before.workflow is not None
    assert after.workflow is not None
    assert (before.workflow.workflow, after.workflow.workflow) == (Workflow.LINEAR, Workflow.AGILE)
    assert after.spec is not None
    assert after.spec.budget.cooldown == "1h"


@pytest.mark.parametrize(
    ("workflow", "starts"), [("Linear", False), ("Iterative", True), ("Agile", True), (None, True)]
)
def test_drift_starts_no_run_where_the_workflow_is_linear(workflow: str | None, starts: bool) -> None:
    """It is recommended to a person instead."""
    deployment = model_deployment("ml", monitoring={"monitors": [{"name": "inputs", "drift": {}}]})
    window = {"start": "2026-11-27T00:00:00Z", "end": "2026-11-28T00:00:00Z"}
    deployment["status"] = {
        "champion": {"version": "1", "revision": "r1"},
        "monitoring": {"revision": "r1", **window, "monitors": [{"name": "inputs", "verdict": "Fired"}]},
    }
    triggers = [{"name": "drifted", "monitors": {"names": ["inputs"]}}]
    policy = retrain_policy("ml", triggers=triggers, **({"workflow": workflow} if workflow else {}))
    policy["metadata"] |= {"uid": "1", "creationTimestamp": "2026-11-20T00:00:00Z"}
    facts = facts_of(policy, deployment, (), {}, TrainingSettings(mlflow_uri="http://mlflow:5000"))
    plan = decide(interpret(facts, datetime(2026, 11, 28, 0, 5, tzinfo=UTC)))
    assert plan.status is not None
    assert (RUN_LABEL in str(plan.actions)) is starts
    assert ("recommended" in plan.status) is not starts


def test_three_workflows_run_side_by_side_in_one_namespace() -> None:
    """R129: what is due in all three is recommended, waits for its cooldown, or starts, as each workflow has it."""
    shared: dict[str, Any] = {"registry": MemoryRegistry(), "jobs": {}, "records": {}}
    worlds = {}
    for name in ("linear", "iterative", "agile"):
        policy = retrain_policy("ml", name, workflow=name.capitalize())
        policy["spec"]["triggers"] = [{"name": "hourly", "schedule": {"cron": "30 * * * *"}}]
        policy["metadata"] |= {"uid": name, "creationTimestamp": "2026-11-20T12:00:00Z", "annotations": {}}
        followed = deployment(registry={"name": f"model-{name}", "alias": "candidate"})
        worlds[name] = World(policy=policy, deployment=followed, **shared)
        worlds[name].settle()

    def pass_until(time: str) -> dict[str, int]:
        for world in worlds.values():
            world.at(time).settle()
            if "activeRun" in world.status:
                world.train(auc=0.9).settle()
        return {name: len(world.made) for name, world in worlds.items()}

    assert pass_until("2026-11-20T12:30:00Z") == {"linear": 0, "iterative": 1, "agile": 1}
    assert pass_until("2026-11-20T14:30:00Z") == {"linear": 0, "iterative": 1, "agile": 2}
    assert pass_until("2026-11-21T14:30:00Z") == {"linear": 0, "iterative": 2, "agile": 3}
    assert "recommended" in worlds["linear"].status
    assert sorted(shared["registry"].versions("model-agile")) == ["1", "2", "3"]
    assert not shared["registry"].versions("model-linear")


TESTED = {"tests": {"template": {"spec": {"containers": [{"name": "pytest", "image": "churn-tests:1"}]}}}}
HELD_OUT = {"evaluation": {"holdout": {"uri": "s3://churn/holdout.parquet", "label": "churned"}}}


@pytest.mark.parametrize(
    ("workflow", "stages", "missing"),
    [
        ("Linear", {}, {"stages.dataValidation", "stages.evaluation"}),
        ("Iterative", {}, {"stages.evaluation"}),
        ("Agile", HELD_OUT, {"stages.tests"}),
        ("Agile", {**HELD_OUT, **TESTED}, set()),
        (None, {}, None),
    ],
)
def test_a_workflow_names_the_checkpoints_that_it_expects_and_stops_nothing(
    workflow: str | None, stages: dict[str, Any], missing: set[str] | None
) -> None:
    """R20."""
    spec = {"stages": {**STAGES, **stages}, **({"workflow": workflow} if workflow else {})}
    plan = decide(interpret(facts(spec), datetime(2026, 11, 28, tzinfo=UTC)))
    assert plan.status is not None
    shown = plan.status.get("workflow")
    assert (None if shown is None else set(shown.get("missing", {}))) == missing


def test_every_workflow_has_the_same_fields() -> None:
    for defaults in WORKFLOW_DEFAULTS.values():
        assert tuple(path for path, _ in leaves(defaults)) == WORKFLOW_PATHS


@pytest.mark.parametrize("path", WORKFLOW_PATHS, ids=".".join)
def test_the_schema_has_no_default_where_a_workflow_has_one(path: tuple[str, ...]) -> None:
    """Otherwise the API server writes it, and nobody can tell it from what a person wrote."""
    node = crd.root_schema(crd.RETRAIN_POLICY_KIND)["properties"]["spec"]
    for name in path:
        node = node["properties"][name]
        default = node.get("default")
        assert not isinstance(default, dict) or path[-1] not in default
    assert "default" not in node
    assert "Default: by spec.workflow" in node["description"]


@pytest.mark.parametrize("path", WORKFLOW_PATHS, ids=".".join)
def test_rules_ask_first_whether_such_a_field_is_there(path: tuple[str, ...]) -> None:
    """It may be absent, and a rule that reads what is absent refuses the object."""
    node = crd.root_schema(crd.RETRAIN_POLICY_KIND)["properties"]["spec"]
    for depth, name in enumerate(path):
        field = ".".join(("self", *path[depth:]))
        reading = [rule["rule"] for rule in node.get(VALIDATIONS, ()) if field in rule["rule"]]
        assert [rule for rule in reading if f"has({field})" not in rule] == []
        node = node["properties"][name]


@pytest.mark.parametrize("spec", [None, [], "text", {"budget": None}, {"budget": []}])
def test_a_spec_of_any_shape_stays_what_it_is(spec: Any) -> None:
    found = effective(spec, Workflow.LINEAR)
    assert found == spec or found["budget"] in (WORKFLOW_DEFAULTS[Workflow.LINEAR]["budget"], [])

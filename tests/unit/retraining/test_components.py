"""`status.components`: which parts of a model's life are configured, and what to write for one that is absent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.retraining.world import World, deployment, policy, stage_spec, weekly

URI = {"uri": "git+https://git.example/data//train.csv"}
STAGES = {name: stage_spec(f"ghcr.io/acme/{name}:1") for name in ("features", "training")}


def component(world: World, name: str) -> tuple[str, str]:
    world.settle()
    (found,) = [one for one in world.status["components"] if one["name"] == name]
    return found["state"], found["message"]


@pytest.mark.parametrize(
    ("sentence", "name", "spec", "deployed", "state", "says"),
    [
        ("nothing", "DataVersions", {}, {}, "Absent", "write spec.data with resolver: {}"),
        ("frozen rows", "DataVersions", {}, {"feedback": {}}, "Configured", "rows are frozen for each run"),
        ("an address", "DataVersions", {"data": URI}, {}, "Absent", "write resolver: {} beside it"),
        ("a revision", "DataVersions", {"data": {**URI, "revision": "v1"}}, {}, "Configured", "spec.data.revision"),
        ("a resolver", "DataVersions", {"data": {**URI, "resolver": {}}}, {}, "Configured", "spec.data.resolver"),
        ("no stage", "Features", {}, {}, "Absent", "training makes its features by itself"),
        ("a stage", "Features", {"stages": STAGES}, {}, "Configured", "spec.stages.features"),
        ("a definition", "Features", {}, {"model": {**deployment()["spec"]["model"], "features": {"ref": "churn"}}},
         "Configured", "definition churn of the ModelDeployment"),
        ("an alias", "Registry", {}, {}, "Configured", "registered model churn"),
        ("a file", "Registry", {}, {"model": {"uri": "s3://models/churn"}}, "Absent", "write model.registry"),
        ("none", "Feedback", {}, {}, "Absent", "write feedback: {} in ModelDeployment churn"),
        ("kept", "Feedback", {}, {"feedback": {}}, "Configured", "predictions and outcomes are collected"),
        ("none", "Monitoring", {}, {}, "Absent", "write monitoring: {} in ModelDeployment churn"),
        ("some", "Monitoring", {}, {"monitoring": {"monitors": [{"name": "gaps", "drift": {}}]}}, "Configured",
         "monitors gaps"),
        ("a person", "Retraining", {}, {}, "Absent", "write spec.triggers"),
        ("a calendar", "Retraining", {"triggers": [weekly()]}, {}, "Configured", "triggers weekly"),
    ],
)  # fmt: skip
def test_each_part_is_configured_or_absent_and_says_what_to_write(
    sentence: str, name: str, spec: dict[str, Any], deployed: dict[str, Any], state: str, says: str
) -> None:
    """R11, R15: every part is optional, and the status lists it with and without."""
    world = World(policy=policy(**spec), collector=True)
    assert world.deployment is not None
    world.deployment["spec"].update(deployed)
    found, message = component(world, name)
    assert (found, says in message) == (state, True), message
    assert len(world.status["components"]) == 6


def test_what_the_operator_does_not_know_is_absent_and_says_how_to_install_it() -> None:
    world = World(policy=policy(), mlflow_uri=None, collector=False)
    assert world.deployment is not None
    world.deployment["spec"]["feedback"] = {}
    assert component(world, "Feedback") == ("Absent", "the operator knows no collector: install it")
    assert component(world, "Registry") == ("Absent", "the operator knows no MLflow: start it with --mlflow-uri")


def test_a_policy_without_its_model_deployment_says_so() -> None:
    world = World(policy=policy(), deployment=None)
    assert component(world, "Registry") == ("Absent", "there is no ModelDeployment churn")


def test_a_message_lists_a_few_names_and_says_how_many_more() -> None:
    triggers = [{"name": f"t{number}", "schedule": {"cron": f"{number} 3 * * 0"}} for number in range(8)]
    assert component(World(policy=policy(*triggers)), "Retraining") == (
        "Configured",
        "triggers t0, t1, t2, t3, t4 and 3 more",
    )

"""A run registers only what its own MLflow run logged, and only as a model that belongs to its namespace."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.retraining.test_runs_of_a_policy import FLOOR, by_hand
from tests.unit.retraining.world import World, now_of
from viridian.api import reasons
from viridian.api.registry import (
    TAG_MODEL_DEPLOYMENT,
    TAG_MODEL_URI,
    TAG_NAMESPACES,
    LoggedModel,
    ModelVersion,
    RunStatus,
    TrainingRun,
)
from viridian.core.model_owners import OwnerRule
from viridian.retraining.provenance import foreign

RUN = TrainingRun(run_id="r1", status=RunStatus.RUNNING, artifact_uri="mlflow-artifacts:/3/r1/artifacts")
OWN = LoggedModel(model_id="m-1", run_id="r1", artifact_uri="mlflow-artifacts:/3/models/m-1/artifacts")
OTHERS = LoggedModel(model_id="m-2", run_id="r2", artifact_uri="mlflow-artifacts:/3/models/m-2/artifacts")


@pytest.mark.parametrize(
    ("source", "logged"),
    [
        ("models:/m-1", OWN),
        ("mlflow-artifacts:/3/models/m-1/artifacts", OWN),
        ("mlflow-artifacts:/3/models/m-1/artifacts/", OWN),
        ("runs:/r1/model", None),
        ("runs:/r1", None),
        ("mlflow-artifacts:/3/r1/artifacts/model", None),
        ("mlflow-artifacts:/3/r1/artifacts", None),
    ],
)
def test_a_model_of_the_run_itself(source: str, logged: LoggedModel | None) -> None:
    assert foreign(source, RUN, logged) == ""


@pytest.mark.parametrize(
    ("source", "logged", "says"),
    [
        ("models:/m-2", OTHERS, "m-2 was logged by the MLflow run 'r2', not by r1"),
        ("models:/m-2", OWN, "MLflow has no logged model m-2"),
        ("models:/m-2", None, "MLflow has no logged model m-2"),
        ("models:/m-1", LoggedModel(model_id="m-1", run_id="", artifact_uri=""), "was logged by no MLflow run"),
        ("models:/m-1/../m-2", OWN, "does not lie below"),
        ("mlflow-artifacts:/3/models/m-1/artifacts/../../m-2/artifacts", OWN, "does not lie below"),
        ("mlflow-artifacts:/3/models/m-1/artifacts/%2e%2e/x", OWN, "does not lie below"),
        ("mlflow-artifacts:/3/models/m-1/artifacts/%252e%252e/x", OWN, "does not lie below"),
        ("mlflow-artifacts:/9/models/m-1/artifacts", OWN, "does not lie below"),
        ("mlflow-artifacts://evil/3/models/m-1/artifacts", OWN, "does not lie below"),
        ("s3://evil/models/m-1/artifacts", OWN, "does not lie below"),
        ("models:/sec-bank/2", None, "names a registered version"),
        ("models:/sec-bank@champion", None, "names a registered version"),
        ("runs:/r2/model", None, "names the MLflow run 'r2'"),
        ("runs:/r11/model", None, "names the MLflow run 'r11'"),
        ("runs://evil/r1/model", None, "names the MLflow run 'evil'"),
        ("runs:/r1/../r2/model", None, "names the MLflow run"),
        ("mlflow-artifacts:/3/r2/artifacts/model", None, "does not lie below the artifacts of its MLflow run r1"),
        ("mlflow-artifacts:/3/r1/artifacts-of-others", None, "does not lie below"),
        ("mlflow-artifacts:/3/r1/artifacts/../../r2/artifacts", None, "does not lie below"),
        ("mlflow-artifacts:/3/r1/artifacts/a\\..\\..\\r2", None, "does not lie below"),
        ("s3://team-b/m2", None, "does not lie below"),
        ("file:///etc", None, "does not lie below"),
        ("https://store.example/m.tar.gz", None, "does not lie below"),
        ("http://[::1", None, "does not lie below"),
    ],
)
def test_a_model_of_others(source: str, logged: LoggedModel | None, says: str) -> None:
    said = foreign(source, RUN, logged)
    assert says in said
    assert "log the model to the MLflow run that MLFLOW_RUN_ID names" in said


def test_without_a_place_of_its_own_nothing_is_below_it() -> None:
    assert foreign("/etc/passwd", TrainingRun(run_id="r1", status=RunStatus.RUNNING), None)


# ---- through the decisions


def reported(world: World, uri: str) -> None:
    world.end(0, {"metrics": {"auc": 0.99}, "model": {"uri": uri, "digest": "sha256:d"}})


def tagged(world: World, uri: str) -> None:
    world.registry.log(world.mlflow_run, tags={TAG_MODEL_URI: uri}, metrics={"auc": 0.99})
    world.end(0)


def as_output(world: World, uri: str) -> None:
    world.registry.log(world.mlflow_run, model_uri=uri, metrics={"auc": 0.99})
    world.end(0)


def registered_by_the_script(world: World, uri: str) -> None:
    now_of(world.registry.register("churn", world.mlflow_run, uri, {}))
    world.registry.log(world.mlflow_run, metrics={"auc": 0.99})
    world.end(0)


def a_model_of_others(world: World) -> str:
    """Another team has logged it to a run of its own."""
    run = now_of(world.registry.create_run("sec-b/bank", "theirs", {}))
    world.registry.log(run.run_id, model_uri="models:/m-theirs")
    return "models:/m-theirs"


@pytest.mark.parametrize("names", [reported, tagged, as_output, registered_by_the_script])
@pytest.mark.parametrize("uri", ["", "s3://team-b/m2", "models:/sec-bank/2", "runs:/of-others/model"])
def test_what_another_run_made_is_neither_registered_nor_handed_over(
    names: Callable[[World, str], None], uri: str
) -> None:
    world = by_hand(gate=FLOOR)
    names(world, uri or a_model_of_others(world))
    before = world.registry.versions("churn")
    world.settle()
    assert world.registry.versions("churn") == before
    assert "candidate" not in world.aliases()
    assert world.last_run["outcome"] == reasons.FOREIGN_MODEL
    assert "nothing is registered" in world.last_run["message"]
    assert world.told == ["RunStarted", "RunFailed"]
    assert now_of(world.registry.run(world.mlflow_run)).status is RunStatus.FAILED  # type: ignore[union-attr]


def test_a_stage_that_rejects_a_model_of_others_registers_nothing_either() -> None:
    world = by_hand(gate=FLOOR)
    world.end(65, {"model": {"uri": a_model_of_others(world)}}).settle()
    assert world.registry.versions("churn") == {}
    assert world.last_run["outcome"] == reasons.FOREIGN_MODEL


# ---- to whom the registered model belongs


def by_rule(world: World) -> None:
    world.registry_models = (OwnerRule("sec-b", "chu*"),)


def by_tag(world: World) -> None:
    world.registry.tag_model("churn", {TAG_NAMESPACES: "sec-b"})


def by_claim(world: World) -> None:
    world.registry.tag_model("churn", {TAG_MODEL_DEPLOYMENT: "sec-b/bank"})


def by_former_claim(world: World) -> None:
    version = world.registry.add_version("churn", {TAG_MODEL_DEPLOYMENT: "sec-b/bank"})
    world.registry.move_alias("churn", "champion", version)


FOREIGN = pytest.mark.parametrize("owned", [by_rule, by_tag, by_claim, by_former_claim])


def state(world: World) -> tuple[dict[str, ModelVersion], dict[str, str], dict[str, str]]:
    registry = world.registry
    return dict(registry.versions("churn")), dict(registry.aliases("churn")), dict(registry.tags("churn"))


@FOREIGN
def test_no_run_trains_for_a_model_of_others(owned: Callable[[World], None]) -> None:
    world = World()
    owned(world)
    before = state(world)
    world.ask_by_hand("one").settle()
    assert world.made == []
    assert world.registry.runs() == []
    assert state(world) == before
    assert world.condition("Ready") == ("False", reasons.NOT_YOURS)
    assert world.condition("Stalled") == ("True", reasons.NOT_YOURS)
    assert "sec-b" in world.message("Stalled")
    assert world.told == ["Stalled"]


@FOREIGN
def test_what_was_trained_is_not_handed_over_to_a_model_of_others(owned: Callable[[World], None]) -> None:
    """It became theirs while the run was at work."""
    world = by_hand(gate=FLOOR)
    owned(world)
    before = state(world)
    world.train(auc=0.9).settle()
    assert state(world) == before
    assert world.condition("Stalled") == ("True", reasons.NOT_YOURS)
    assert world.told == ["RunStarted", "Stalled"]


def test_once_the_model_is_given_the_run_goes_on() -> None:
    world = by_hand(gate=FLOOR)
    by_claim(world)
    world.train(auc=0.9).settle()
    world.registry.tag_model("churn", {TAG_NAMESPACES: "sec-b,ml"})
    world.later(minutes=1).settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert world.aliases() == {"candidate": "1"}


def test_a_model_that_exists_and_is_nobodys_is_claimed_before_training() -> None:
    world = World()
    world.registry.add_version("churn")
    world.ask_by_hand("one").settle()
    assert world.registry.tags("churn") == {TAG_MODEL_DEPLOYMENT: "ml/churn"}
    assert len(world.made) == 1


def test_a_model_that_does_not_exist_is_claimed_when_it_is_made() -> None:
    world = by_hand(gate=FLOOR)
    assert world.registry.tags("churn") == {}
    world.train(auc=0.9).settle()
    assert world.registry.tags("churn") == {TAG_MODEL_DEPLOYMENT: "ml/churn"}
    assert "claim" not in world.registry.writes
    assert world.last_run["outcome"] == "HandedOver"


def test_another_policy_of_the_same_namespace_goes_on_with_the_claim() -> None:
    world = World()
    world.registry.add_version("churn")
    world.registry.tag_model("churn", {TAG_MODEL_DEPLOYMENT: "ml/one-that-was-deleted"})
    world.ask_by_hand("one").settle()
    assert len(world.made) == 1

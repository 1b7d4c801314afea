"""MLflow refuses the writes of a run: the operator says what MLflow said, tries again, and goes on after that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.churn import Churn
from tests.support.operator_world import OperatorWorld
from tests.unit.properties.test_training_killed import TRAINING, a_policy
from viridian.api import reasons
from viridian.api.names import RETRAIN_POLICY, RUN_ANNOTATION
from viridian.ports.cluster import Object

SAID = "MLflow at http://mlflow:5000 answered 400: no"
WRITES = ("create_run", "register", "set_alias", "finish_run", "tag_version")


@pytest.fixture
def churn() -> Iterator[Churn]:
    with closing(OperatorWorld()) as world:
        churn = Churn(world)
        a_policy(churn)
        yield churn


def begin(churn: Churn) -> None:
    churn.cluster.annotate(RETRAIN_POLICY, "churn", **{RUN_ANNOTATION: "one"})


def ready(churn: Churn) -> Object:
    found = churn.cluster.find(RETRAIN_POLICY, "churn") or {}
    return next(c for c in found["status"]["conditions"] if c["type"] == "Ready")


@pytest.mark.parametrize("method", WRITES)
def test_the_refusal_is_told_and_once_it_is_over_the_run_comes_to_the_same_end(churn: Churn, method: str) -> None:
    with TRAINING.begun() as undisturbed:
        expected = TRAINING.tell(undisturbed)
    churn.world.registry.refusals[method] = SAID
    begin(churn)
    churn.world.run(300)
    said = ready(churn)
    assert (said["status"], said["reason"]) == ("False", reasons.REGISTRY_REFUSED)
    assert SAID in said["message"]
    assert "set right there what it names" in said["message"]
    churn.world.registry.refusals.clear()
    assert TRAINING.tell(churn) == expected
    assert ready(churn)["status"] == "True"

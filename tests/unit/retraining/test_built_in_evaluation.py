"""`stages.evaluation.holdout`: what the container is given, and what the gate makes of other rows."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.retraining.test_judged_on_evidence import evaluation
from tests.unit.retraining.world import (
    World,
    main_container,
    policy,
    stage_spec,
)

ROWS = {"uri": "s3://churn/holdout.parquet", "label": "churned"}
MEANT, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def in_evaluation(**stage: Any) -> World:
    """A run whose training has ended."""
    stages = {"training": stage_spec(), "evaluation": stage}
    world = World(policy=policy(stages=stages, gate={"metrics": [{"name": "auc"}]}))
    world.registry.add_version("churn")
    world.serve("1").settle()
    world.ask_by_hand("once").settle()
    world.train(auc=0.81).settle()
    return world


def test_the_evaluation_runs_in_the_trainer_image_and_is_given_rows_and_champion() -> None:
    world = in_evaluation(holdout=ROWS)
    assert world.made[-1].endswith("-evaluation")
    assert main_container(world)["image"] == "viridian/trainer:1"
    assert main_container(world)["command"] == ["python", "-m", "viridian.training.evaluate_candidate"]
    assert json.loads(world.variables["VIRIDIAN_HOLDOUT"]) == {**ROWS, "digest": None}
    assert world.variables["VIRIDIAN_CHAMPION_URI"]
    assert world.variables["MLFLOW_RUN_ID"] == world.mlflow_run


def test_the_template_beside_a_holdout_says_where_it_runs() -> None:
    main = {"name": "mine", "image": "acme/train:2", "env": [{"name": "AWS_REGION", "value": "eu-north-1"}]}
    world = in_evaluation(holdout=ROWS, template={"spec": {"containers": [main]}})
    assert (main_container(world)["image"], main_container(world)["command"][-1]) == (
        "acme/train:2",
        "viridian.training.evaluate_candidate",
    )
    assert world.variables["AWS_REGION"] == "eu-north-1"
    assert world.variables["VIRIDIAN_HOLDOUT"]


def reported(world: World, digest: str) -> World:
    found = evaluation(0.81, 0.01, digest)
    world.end(0, {"metrics": {"auc": 0.81}, "holdout": digest, "evaluation": found}).settle()
    return world


def test_what_the_evaluation_reports_decides_about_the_model_that_training_made() -> None:
    world = reported(in_evaluation(holdout=ROWS), OTHER)
    assert world.last_run["outcome"] == "HandedOver"
    assert (
        "auc 0.81 is not worse than the champion's 0.8 by more than 0.005: gain 0.01, from" in world.last_run["message"]
    )


def test_other_rows_than_those_that_are_meant_are_incomparable() -> None:
    pinned = {**ROWS, "digest": MEANT}
    assert reported(in_evaluation(holdout=pinned), MEANT).last_run["outcome"] == "HandedOver"
    world = reported(in_evaluation(holdout=pinned), OTHER)
    assert world.last_run["outcome"] == "Rejected"
    assert f"it was judged on the holdout {OTHER}, and {MEANT} is meant" in world.last_run["message"]

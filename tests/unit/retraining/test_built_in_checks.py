"""`stages.dataValidation.checks`: what the container of the checks is given, and what its end means for the run."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.unit.retraining.world import (
    Object,
    World,
    main_container,
    policy,
    stage_spec,
)
from viridian.api.data_checks import CHECKS_VARIABLE, MAX_CHECKS_BYTES, DataCheck, NullsCheck, kind_of
from viridian.api.stage import ExitCode, StageReport

NULLS: Object = {"nulls": {"columns": ["age"], "maxShare": 0.01}}
FAILURE = "nulls, column age: 30 of 100 rows (30 %) have no value, at most 1 % may"


def world_of(**validation: Any) -> World:
    stages = {"dataValidation": validation, "training": stage_spec()}
    world = World(policy=policy(stages=stages, data={"uri": "/data/train.parquet"}))
    world.ask_by_hand("once").settle()
    return world


def given_checks(world: World) -> tuple[DataCheck, ...]:
    return msgspec.json.decode(world.variables[CHECKS_VARIABLE], type=tuple[DataCheck, ...])


def test_checks_run_in_the_trainer_image_and_are_given_as_json() -> None:
    world = world_of(checks=[NULLS, {"rows": "Feedback", "rowCount": {"min": 1}}])
    assert world.made == [name for name in world.made if name.endswith("-validation")] != []
    assert main_container(world)["image"] == "viridian/trainer:1"
    assert main_container(world)["command"] == ["python", "-m", "viridian.training.check_data"]
    nulls, rows = given_checks(world)
    assert kind_of(nulls) == NullsCheck(columns=("age",), max_share=0.01)
    assert rows.rows == "Feedback"
    assert world.variables["VIRIDIAN_DATA_URI"] == "/data/train.parquet"


def test_the_template_beside_checks_says_where_they_run() -> None:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    main = {"name": "mine", "image": "acme/train:2", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    own = {"name": "EXTRA", "value": "1"}
    world = world_of(checks=[NULLS], template={"spec": {"containers": [{**main, "env": [own]}], "volumes": [volume]}})
    assert main_container(world)["image"] == "acme/train:2"
    assert main_container(world)["command"][-1] == "viridian.training.check_data"
    assert volume in world.job["spec"]["template"]["spec"]["volumes"]
    assert world.variables["EXTRA"] == "1"
    assert given_checks(world)


def test_a_command_of_the_template_counts_and_finds_the_checks() -> None:
    main = {"name": "mine", "image": "acme/train:2", "command": ["python", "prepare_and_check.py"]}
    world = world_of(checks=[NULLS], template={"spec": {"containers": [main]}})
    assert main_container(world)["command"] == ["python", "prepare_and_check.py"]
    assert given_checks(world)


def test_a_check_that_fails_ends_the_run_before_it_trains_and_stands_in_the_status() -> None:
    world = world_of(checks=[NULLS])
    world.end(ExitCode.BAD_DATA, StageReport(failures=(FAILURE,)).document()).settle()
    assert len(world.made) == 1
    assert world.last_run["outcome"] == "DataQualityFailed"
    assert FAILURE in world.last_run["message"]
    assert FAILURE in world.message("DataQuality")
    assert world.condition("DataQuality") == ("False", "DataQualityFailed")


def test_checks_that_hold_lead_on_to_training() -> None:
    world = world_of(checks=[NULLS])
    world.end(0, StageReport().document()).settle()
    assert world.stage_states()["dataValidation"] == "Complete"
    assert world.made[-1].endswith("-training")
    assert CHECKS_VARIABLE not in world.variables


def test_checks_too_long_for_a_variable_start_nothing_and_say_so() -> None:
    values = [f"{place:0200}" for place in range(MAX_CHECKS_BYTES // 200)]
    world = world_of(checks=[{"categories": {"column": "c", "values": values}}])
    assert world.made == []
    assert world.condition("Stalled") == ("True", "InvalidSpec")
    assert "shorten the lists of categories and columns" in world.message("Stalled")


def test_without_checks_the_template_runs_as_it_is() -> None:
    world = world_of(**stage_spec("acme/validate:1"))
    assert "command" not in main_container(world)
    assert CHECKS_VARIABLE not in world.variables

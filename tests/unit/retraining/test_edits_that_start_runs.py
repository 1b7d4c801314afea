"""Which edits of a policy start a run by themselves, and what does not count any more after the label was redefined."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.retraining.world import (
    World,
    now_of,
    policy,
    reasons_of,
    weekly,
)
from viridian.api.registry import TAG_HOLDOUT, TAG_LABEL_DEFINITION

OTHER_IMAGE = "ghcr.io/acme/churn-train:1.5"
DIGEST = "@sha256:c0ffee"
DEFINED = {"labelDefinition": "churned-90d"}


def training(image: str = "ghcr.io/acme/churn-train:1.4", **container: Any) -> dict[str, Any]:
    found = {"name": "train", "image": image, **container}
    return {"training": {"template": {"spec": {"containers": [found]}}}}


def begin(**spec: Any) -> World:
    """A policy whose first run has ended."""
    world = World(policy=policy(weekly(), **spec))
    world.ask_by_hand("one").settle()
    world.train(auc=0.9).settle()
    return world.later(minutes=5)


@pytest.mark.parametrize(
    ("sentence", "before", "edit", "cause"),
    [
        ("another image", {}, {"stages": training(OTHER_IMAGE)}, f"runtime:{OTHER_IMAGE}"),
        ("another command", {}, {"stages": training(command=["python", "train.py"])}, None),
        ("another definition of the label", {"objective": DEFINED}, {"objective": {"labelDefinition": "churned-30d"}},
         "objective:churned-30d"),
        ("other metrics", {"objective": {"metrics": [{"name": "auc"}]}}, {"objective": {"metrics": [{"name": "f1"}]}},
         "objective:metrics-"),
        ("the same metrics in another order", {"objective": {"metrics": [{"name": "auc"}, {"name": "f1"}]}},
         {"objective": {"metrics": [{"name": "f1"}, {"name": "auc"}]}}, None),
        ("a definition that is written for the first time", {}, {"objective": DEFINED}, None),
        ("a definition that is removed", {"objective": DEFINED}, {"objective": None}, None),
        ("another schedule", {}, {"triggers": [weekly(timeZone="Europe/Paris")]}, None),
        ("another gate", {}, {"gate": {"metrics": [{"name": "auc", "min": 0.5}]}}, None),
        ("other data", {"data": {"uri": "s3://a"}}, {"data": {"uri": "s3://b"}}, None),
        ("another image, turned off", {"runOnChange": ["Objective"]}, {"stages": training(OTHER_IMAGE)}, None),
        ("another definition, turned off", {"objective": DEFINED, "runOnChange": []},
         {"objective": {"labelDefinition": "churned-30d"}}, None),
        ("another name of the same digest", {"stages": training(f"old/train{DIGEST}")},
         {"stages": training(f"new/train{DIGEST}")}, None),
        ("the same name with another digest", {"stages": training(f"train{DIGEST}")},
         {"stages": training("train@sha256:00")}, "runtime:train@sha256:00"),
        ("turned off in the same edit", {}, {"stages": training(OTHER_IMAGE), "runOnChange": []}, None),
    ],
)  # fmt: skip
def test_which_edits_start_a_run(
    sentence: str, before: dict[str, Any], edit: dict[str, Any], cause: str | None
) -> None:
    """R3: the world changes in its data, its rules and its infrastructure."""
    world = begin(**before)
    world.edit(**edit).settle()
    found = reasons_of(world)[1:]
    assert [reasons[0].startswith(cause or "-") for reasons in found] == ([] if cause is None else [True]), sentence


def test_a_policy_that_has_never_run_has_nothing_to_compare_with() -> None:
    world = World(policy=policy(weekly()))
    world.settle()
    world.edit(stages=training(OTHER_IMAGE)).settle()
    assert world.made == []


def served_by(world: World, image: str) -> World:
    """The ModelDeployment names this image for its model server."""
    assert world.deployment is not None
    world.deployment["spec"]["server"] = {"template": {"spec": {"containers": [{"name": "server", "image": image}]}}}
    return world


def test_another_serving_image_starts_a_run_where_the_policy_asks_for_it() -> None:
    for watched, started in ((["Server"], 1), (["Objective", "Runtime"], 0)):
        world = begin(runOnChange=watched)
        served_by(world.later(minutes=5), "acme/server:2").settle()
        assert reasons_of(world)[1:] == [["server:acme/server:2"]] * started
        world.later(hours=1)
        if started:
            world.train(auc=0.9)
        world.forget_status().settle()
        assert len(world.made) == 1 + started, "once, whatever becomes of the status"


def test_an_upgrade_of_the_operator_is_another_serving_image_too() -> None:
    world = begin(runOnChange=["Server"])
    world.server_image = "viridian/server:2"
    world.settle()
    assert reasons_of(world)[1:] == [["server:viridian/server:2"]]


def test_a_serving_image_that_comes_between_the_record_and_its_job_is_part_of_the_run() -> None:
    world = begin(runOnChange=["Server"])
    world.ask_by_hand("two")
    world.once()
    served_by(world, "acme/server:2").settle()
    world.train(auc=0.9).settle()
    world.later(hours=1).settle()
    assert len(world.made) == 2


def test_the_status_shows_what_has_started_runs_without_a_trigger_of_the_spec() -> None:
    world = begin(suspend=True)
    assert world.status["unnamedTriggers"] == [
        {"name": "viridian.dev/run", "lastFired": "2026-11-20T12:00:00Z", "lastSeen": "one"}
    ]
    world.edit(stages=training(OTHER_IMAGE)).settle()
    runtime, by_hand = world.status["unnamedTriggers"]
    assert (runtime["name"], runtime["lastSeen"]) == ("Runtime", OTHER_IMAGE)
    assert (runtime["suppressed"]["count"], runtime["suppressed"]["reason"]) == (1, "Suspended")
    world.later(minutes=5).edit(suspend=False).settle()
    world.train(auc=0.9).settle()
    assert world.status["unnamedTriggers"] == [{"name": "Runtime", "lastFired": "2026-11-20T12:10:00Z"}, by_hand]


def test_an_edit_runs_once_and_a_run_that_fails_is_not_tried_again_and_again() -> None:
    world = begin()
    world.edit(stages=training(OTHER_IMAGE)).settle()
    world.end(1).settle()
    for _ in range(3):
        world.later(hours=1).forget_status().settle()
    assert len(world.made) == 2


def test_an_edit_that_is_taken_back_before_its_run_began_starts_none() -> None:
    world = begin(budget={"cooldown": "1h"})
    world.edit(stages=training(OTHER_IMAGE)).settle()
    assert len(world.made) == 1
    world.edit(stages=training()).later(hours=2).settle()
    assert len(world.made) == 1


def test_an_image_that_comes_again_after_another_one_is_another_cause() -> None:
    world = begin()
    for image in (OTHER_IMAGE, "ghcr.io/acme/churn-train:1.4", OTHER_IMAGE):
        world.later(minutes=5).edit(stages=training(image)).settle()
        world.train(auc=0.9).settle()
    assert len(world.made) == len(set(world.made)) == 4


def test_an_edit_waits_for_what_holds_triggers_back_and_joins_what_starts_first() -> None:
    world = begin(suspend=True)
    world.edit(stages=training(OTHER_IMAGE)).settle()
    assert len(world.made) == 1
    world.ask_by_hand("two").settle()
    assert reasons_of(world)[1:] == [["manual:two", f"runtime:{OTHER_IMAGE}"]]
    world.train(auc=0.9).settle()
    world.edit(suspend=False).settle()
    assert len(world.made) == 2


def test_an_edit_between_the_record_and_its_job_is_part_of_the_run() -> None:
    world = begin()
    world.ask_by_hand("two")
    world.once()
    world.edit(stages=training(OTHER_IMAGE)).settle()
    world.train(auc=0.9).settle()
    world.later(hours=1).settle()
    assert len(world.made) == 2, "the Job has the other image already"


def test_a_record_of_an_older_release_starts_nothing_after_an_upgrade() -> None:
    world = begin()
    for record in world.runs:
        del record["data"]["objective"]
    world.edit(stages=training(OTHER_IMAGE)).settle()
    assert len(world.made) == 1


def test_stages_get_the_objective_and_the_version_remembers_its_label() -> None:
    world = World(policy=policy(objective={**DEFINED, "metrics": [{"name": "auc", "weight": 2}]}))
    world.ask_by_hand("one").settle()
    variables = {one["name"]: one.get("value") for one in world.job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert json.loads(variables["VIRIDIAN_OBJECTIVE"]) == {
        "labelDefinition": "churned-90d",
        "metrics": [{"name": "auc", "weight": 2.0, "direction": "Higher"}],
    }
    world.train(auc=0.9).settle()
    assert now_of(world.registry.version("churn", "1")).tags[TAG_LABEL_DEFINITION] == "churned-90d"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("sentence", "label", "reported", "outcome"),
    [
        ("the same definition: the recorded number of the champion counts", "churned-90d", {}, "HandedOver"),
        ("another one: it does not", "churned-30d", {}, "Rejected"),
        ("another one, and the champion was measured anew", "churned-30d", {"champion_auc": 0.7}, "HandedOver"),
    ],
)
def test_what_was_measured_under_another_definition_is_no_comparison(
    sentence: str, label: str, reported: dict[str, Any], outcome: str
) -> None:
    """R25."""
    world = World(policy=policy(objective=DEFINED))
    world.ask_by_hand("one").settle()
    world.train(auc=0.9, tags={TAG_HOLDOUT: "sha256:h"}).settle()
    world.serve("1").later(minutes=5).edit(objective={"labelDefinition": label}).ask_by_hand("two").settle()
    world.train(auc=0.9, tags={TAG_HOLDOUT: "sha256:h"}, **reported).settle()
    assert world.last_run["outcome"] == outcome, sentence

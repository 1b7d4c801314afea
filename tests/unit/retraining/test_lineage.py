"""What a version was made from: on the version, on the record of the run, in the status; and what an audit refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.retraining.world import Object, World, deployment, now_of, policy, stage_spec
from viridian.api.lineage import CODE_REVISION_ANNOTATION, Lineage
from viridian.api.registry import TAG_CODE, TAG_DIGEST, TAG_FEATURES, TAG_IMAGE, TAG_PARAMETERS, TAG_ROWS
from viridian.retraining.version_lineage import changed

IMAGE, MODEL = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
FEATURES = f"sha256:{'ab' * 32}"
STATE = {"uri": "/data/train.csv", "revision": "r1", "digest": "sha256:3"}


def world_of(*, annotation: str = "commit-1", **spec: Any) -> World:
    training: Object = stage_spec()
    if annotation:
        training["template"]["metadata"] = {"annotations": {CODE_REVISION_ANNOTATION: annotation}}
    data = {"uri": STATE["uri"], "resolver": {}}
    return World(policy=policy(**{"data": data, "stages": {"training": training}, **spec}))


def train(
    world: World,
    *,
    image: str = f"ghcr.io/acme/churn-train@{IMAGE}",
    model: str = MODEL,
    tags: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    **state: str,
) -> World:
    """A run that is asked for by hand, to its end."""
    world.later(hours=1).ask_by_hand(str(world.now)).settle()
    if world.made[-1].endswith("-data"):
        world.end(0, {"data": {**STATE, **state}}).settle()
    world.registry.log(world.mlflow_run, params={"C": "1"} if params is None else params)
    world.train(auc=0.9, tags={TAG_DIGEST: model, **(tags or {})})
    (pod,) = world.pods[world.made[-1]]
    pod["status"]["containerStatuses"][0]["imageID"] = image
    world.settle()
    return world


def version_tags(world: World) -> Mapping[str, str]:
    version = now_of(world.registry.version("churn", world.last_run["version"]))
    assert version is not None
    return version.tags


def test_every_part_stands_on_the_version_and_in_the_status() -> None:
    world = train(world_of())
    assert world.last_run["lineage"] | {"parametersDigest": "…"} == {
        "dataRevision": "r1",
        "dataDigest": "sha256:3",
        "codeRevision": "commit-1",
        "imageDigest": IMAGE,
        "parametersDigest": "…",
        "modelDigest": MODEL,
    }
    tags = version_tags(world)
    assert (tags[TAG_CODE], tags[TAG_IMAGE], tags[TAG_DIGEST]) == ("commit-1", IMAGE, MODEL)
    assert tags[TAG_PARAMETERS] == '{"C": "1"}'
    assert world.outcomes().popitem()[1]["lineage"]["imageDigest"] == IMAGE


def test_what_was_recorded_survives_jobs_and_status() -> None:
    world = train(world_of())
    before = world.last_run
    world.remove_ended_jobs().forget_status().settle()
    assert world.last_run == before


@pytest.mark.parametrize(
    ("tags", "annotation", "commit"),
    [
        ({TAG_CODE: "reported", "mlflow.source.git.commit": "mlflow"}, "annotated", "reported"),
        ({"mlflow.source.git.commit": "mlflow"}, "annotated", "annotated"),
        ({"mlflow.source.git.commit": "mlflow"}, "", "mlflow"),
    ],
)
def test_the_revision_of_the_code_is_what_the_trainer_reports_else_the_manifest_else_mlflow(
    tags: Mapping[str, str], annotation: str, commit: str
) -> None:
    world = train(world_of(annotation=annotation), tags=tags)
    assert version_tags(world)[TAG_CODE] == commit


def test_a_tag_that_was_pushed_again_gives_another_digest() -> None:
    world = train(world_of())
    train(world, image=f"sha256:{'9' * 64}")
    assert world.last_run["lineage"]["imageDigest"] == f"sha256:{'9' * 64}"
    assert world.last_run["changed"] == ["image"]


def test_the_history_shows_what_changed_between_two_versions() -> None:
    world = train(world_of())
    assert world.last_run["changed"] == ["data", "code", "image", "parameters", "model"]
    train(world, revision="r2", digest="sha256:4", model=f"sha256:{'5' * 64}")
    assert world.last_run["changed"] == ["data", "model"]
    train(world, revision="r3", digest="sha256:4", model=f"sha256:{'5' * 64}", params={"C": "2"})
    assert world.last_run["changed"] == ["parameters"]
    assert [run["lineage"]["dataRevision"] for run in world.status["runs"]] == ["r3", "r2", "r1"]


def test_the_frozen_rows_of_feedback_are_a_part() -> None:
    world = world_of(data=None, audit="Strict")
    world.collector, world.deployment = True, {**deployment(), "spec": {**deployment()["spec"], "feedback": {}}}
    train(world)
    assert version_tags(world)[TAG_ROWS] == f"sha256:{'b' * 64}"
    assert world.last_run["outcome"] == "HandedOver"


# ---- the definition of features


def test_what_a_stage_reports_of_features_is_pinned_on_the_version() -> None:
    stages = {"features": stage_spec(), "training": stage_spec()}
    world = World(policy=policy(stages=stages)).ask_by_hand("one")
    world.settle()
    world.end(0, {"features": {"digest": FEATURES.upper()}}).settle()
    world.train(auc=0.9, tags={TAG_FEATURES: "what the trainer says is not asked then"}).settle()
    assert version_tags(world)[TAG_FEATURES] == FEATURES
    assert world.last_run["lineage"]["featuresDigest"] == FEATURES
    assert "features" in world.last_run["changed"]


def test_without_a_report_the_tag_of_the_run_counts() -> None:
    world = train(world_of(), tags={TAG_FEATURES: FEATURES})
    assert version_tags(world)[TAG_FEATURES] == FEATURES
    assert TAG_FEATURES not in version_tags(train(world))
    assert world.last_run["changed"] == ["features"]


def test_a_report_that_is_no_digest_is_pinned_as_one_short_line() -> None:
    """So that servers with a digest are found to differ: nothing is pinned in silence."""
    world = World(policy=policy()).ask_by_hand("one")
    world.settle()
    world.registry.log(world.mlflow_run, metrics={"auc": 0.9}, model_uri=f"models:/m-{world.mlflow_run}")
    world.end(0, {"features": {"digest": "v3\n" + "x" * 2000}}).settle()
    assert version_tags(world)[TAG_FEATURES] == "v3 " + "x" * 76 + "…"


def test_stages_get_what_the_deployment_names() -> None:
    world = world_of()
    world.deployment = with_features()
    world.ask_by_hand("one").settle()
    assert world.variables["VIRIDIAN_FEATURES_REF"] == "churn@3"
    assert world.variables["VIRIDIAN_FEATURES_DIGEST"] == FEATURES


def test_an_audit_asks_for_the_definition_that_the_deployment_names() -> None:
    world = world_of(audit="Strict")
    world.deployment = with_features()
    train(world)
    assert world.last_run["outcome"] == "Rejected"
    assert (
        "no digest of its features, and spec.model.features of the ModelDeployment names them"
        in (world.last_run["message"])
    )
    assert train(world, tags={TAG_FEATURES: FEATURES}).last_run["outcome"] == "HandedOver"


def with_features() -> Object:
    return deployment(**deployment()["spec"]["model"], features={"ref": "churn@3", "digest": FEATURES})


# ---- audit: Strict


def test_a_version_that_has_every_part_is_handed_over() -> None:
    assert train(world_of(audit="Strict")).last_run["outcome"] == "HandedOver"


LACKING: dict[str, tuple[Object, Object, str]] = {
    "data": (
        {"data": {"uri": "/data/train.csv", "revision": "main"}},
        {},
        "no digest of its data: write data.resolver",
    ),
    "code": ({"annotation": ""}, {}, "no revision of its code: annotate the template of stages.training"),
    "image": ({}, {"image": "ghcr.io/acme/churn-train:1.4"}, "no digest of its image"),
    "parameters": ({}, {"params": {}}, "no parameters: log them to the MLflow run"),
    "model": ({}, {"model": ""}, "no digest of the model: log it by viridian.training.log"),
}


@pytest.mark.parametrize("part", LACKING)
def test_a_version_that_lacks_a_part_is_not_handed_over_and_the_message_names_it(part: str) -> None:
    spec, run, sentence = LACKING[part]
    world = train(world_of(audit="Strict", **spec), **run)
    assert world.last_run["outcome"] == "Rejected"
    assert world.last_run["message"].startswith(f"audit: Strict, and the version has {sentence}")
    assert "candidate" not in world.aliases()
    assert train(world_of(**spec), **run).last_run["outcome"] == "HandedOver"


def test_all_that_is_lacking_is_named_at_once() -> None:
    world = train(world_of(audit="Strict", annotation="", data=None), image="", model="", params={})
    assert world.last_run["message"].count("; no ") == 4


PARTS = ("data_digest", "features_digest", "code_revision", "image_digest", "parameters_digest", "model_digest")


@given(st.sets(st.sampled_from(PARTS)))
def test_exactly_the_parts_that_differ_have_changed(differing: set[str]) -> None:
    before = Lineage(**dict.fromkeys(PARTS, "a"))
    after = Lineage(**{part: "b" if part in differing else "a" for part in PARTS})
    assert set(changed(before, after)) == {part.partition("_")[0] for part in differing}


def test_the_digest_of_the_data_counts_where_both_versions_have_one() -> None:
    before = Lineage(data_revision="commit-1", data_digest="d")
    assert changed(before, Lineage(data_revision="commit-2", data_digest="d")) == ()
    assert changed(before, Lineage(data_revision="commit-2")) == ("data",)

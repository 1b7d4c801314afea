"""`spec.data.resolver`: a moving name is resolved before the run trains, and what was resolved is recorded for good."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.retraining.world import Object, World, now_of, policy, stage_spec
from viridian.api.registry import TAG_DATA
from viridian.api.stage import ExitCode

COMMIT, OTHER = "a" * 40, "b" * 40
STATE = {"uri": "git+https://git.example/data//train.csv", "revision": COMMIT, "digest": "git-blob:1"}


def world_of(resolver: Object | None = None, **data: Any) -> World:
    named = {"uri": STATE["uri"], "revision": "main", "resolver": resolver or {}, **data}
    world = World(policy=policy(data=named))
    world.ask_by_hand("once").settle()
    return world


def resolve(world: World, **state: str) -> World:
    world.later(seconds=10).end(0, {"data": state}).settle()
    return world


def test_the_resolver_runs_first_in_the_trainer_image() -> None:
    world = world_of()
    assert [name.rpartition("-")[2] for name in world.made] == ["data"]
    container = world.job["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "viridian/trainer:1"
    assert container["command"] == ["python", "-m", "viridian.training.resolve_data"]
    assert world.variables["VIRIDIAN_DATA_REVISION"] == "main"
    assert world.variables["VIRIDIAN_STAGE"] == "data"
    assert world.job["spec"]["activeDeadlineSeconds"] == 600
    assert world.stage_states()["data"] == "Running"


def test_a_resolver_of_ones_own_runs_as_it_is_written() -> None:
    world = world_of(stage_spec("acme/resolve:1", timeout="1m"))
    container = world.job["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container.get("command")) == ("acme/resolve:1", None)
    assert world.job["spec"]["activeDeadlineSeconds"] == 60


def test_training_is_given_the_state_that_was_resolved() -> None:
    world = resolve(world_of(), **STATE)
    assert world.made[-1].endswith("-training")
    assert world.variables["VIRIDIAN_DATA_URI"] == STATE["uri"]
    assert world.variables["VIRIDIAN_DATA_REVISION"] == COMMIT
    assert world.variables["VIRIDIAN_DATA_DIGEST"] == "git-blob:1"


def test_a_resolver_may_name_a_pinned_address() -> None:
    pinned = "s3://bucket/train.csv/versions/7"
    world = resolve(world_of(), uri=pinned, revision="7")
    assert world.variables["VIRIDIAN_DATA_URI"] == pinned


def test_an_address_with_a_query_stays_whole_for_the_stages() -> None:
    world = world_of(uri="https://data.example/train.csv?sig=1", revision="")
    resolve(world, uri="https://data.example/train.csv?sig=1", digest="sha256:1")
    assert world.variables["VIRIDIAN_DATA_URI"] == "https://data.example/train.csv?sig=1"
    assert world.variables["VIRIDIAN_DATA_REVISION"] == "sha256:1"
    assert "sig=1" not in str(world.records)


def test_the_version_carries_what_was_resolved() -> None:
    world = resolve(world_of(), **STATE)
    world.train(auc=0.9).settle()
    version = now_of(world.registry.version("churn", world.last_run["version"]))
    assert version is not None
    assert {part: version.tags[f"{TAG_DATA}{part}"] for part in STATE} == STATE


@pytest.mark.parametrize("lost", ["nothing", "Jobs", "the record"])
def test_what_was_resolved_survives_what_cleaners_remove(lost: str) -> None:
    world = resolve(world_of(), **STATE)
    if lost == "Jobs":
        world.remove_ended_jobs()
    elif lost == "the record":
        for record in world.runs:
            del world.records[record["metadata"]["name"]]
    world.settle()
    assert len(world.made) == 2
    world.train(auc=0.9).settle()
    version = now_of(world.registry.version("churn", world.last_run["version"]))
    assert version is not None
    assert version.tags[f"{TAG_DATA}revision"] == COMMIT


def test_an_edit_between_the_stages_changes_nothing_for_the_run() -> None:
    world = world_of()
    world.edit(data={"uri": STATE["uri"], "revision": "next", "resolver": {}})
    resolve(world, **STATE)
    assert world.variables["VIRIDIAN_DATA_REVISION"] == COMMIT


@pytest.mark.parametrize("report", [{}, {"data": {"uri": "somewhere"}}, {"data": {"revision": 5}}])
def test_a_resolver_that_names_no_state_fails_the_run(report: Object) -> None:
    world = world_of()
    world.end(0, report).settle()
    assert world.last_run["outcome"] == "Failed"
    assert "names neither a revision nor a digest" in world.last_run["message"]
    assert len(world.made) == 1


def test_a_resolver_that_fails_ends_the_run_with_its_reason() -> None:
    world = world_of()
    world.end(1, {"failures": ["the repository has no branch and no tag main"]}).settle()
    assert world.last_run["outcome"] == "Failed"
    assert "data failed with exit code 1: the repository has no branch" in world.last_run["message"]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(ExitCode.BAD_DATA, "DataQualityFailed"), (ExitCode.NOTHING_TO_DO, "Skipped"), (ExitCode.BAD_CANDIDATE, "Failed")],
)
def test_exit_codes_of_a_resolver_mean_what_they_mean_elsewhere(code: int, outcome: str) -> None:
    world = world_of()
    world.end(code).settle()
    assert world.last_run["outcome"] == outcome


def test_bad_data_of_a_resolved_revision_still_pauses_while_the_policy_asks_for_the_same() -> None:
    world = resolve(world_of(), **STATE)
    world.end(ExitCode.BAD_DATA).settle()
    assert world.condition("DataQuality") == ("False", "DataQualityFailed")
    world.edit(data={"uri": STATE["uri"], "revision": "v2", "resolver": {}}).settle()
    assert world.condition("DataQuality") == ("Unknown", "DataChanged")


def test_a_stage_before_training_is_cached_by_the_content_that_was_resolved() -> None:
    stages = {"features": stage_spec("acme/features:1"), "training": stage_spec()}
    world = World(policy=policy(data={"uri": STATE["uri"], "revision": "main", "resolver": {}}, stages=stages))
    made = []
    for place, state in enumerate((STATE, {**STATE, "revision": OTHER}, {**STATE, "digest": "git-blob:2"})):
        world.ask_by_hand(str(place)).settle()
        resolve(world, **state)
        made.append(world.made[-1].rpartition("-")[2])
        if made[-1] == "features":
            world.end(0).settle()
        world.train(auc=0.9).settle()
    assert made == ["features", "training", "features"]


def test_templates_of_a_resolver_are_held_to_the_same_rules() -> None:
    world = world_of({"template": {"spec": {"containers": [{"name": "a"}]}}})
    assert world.made == []
    assert "data.resolver.template names no container" in world.message("Stalled")

"""The operator is stopped after any of its writes, or an answer is lost, or the status is deleted: the end is the same.

This is property P4 for the pure decisions; the loop around them is held to it in tests/unit/controller.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.branches import Turns
from tests.unit.conftest import KILLS
from tests.unit.retraining.test_judged_on_evidence import evaluation
from tests.unit.retraining.test_queries_and_labels import counted
from tests.unit.retraining.test_stages_of_other_kinds import RAY, ray_job
from tests.unit.retraining.world import (
    World,
    policy,
    stage_spec,
    through,
    weekly,
)
from viridian.api.registry import TAG_HOLDOUT
from viridian.api.stage import StageName
from viridian.retraining.triggers.readings import MetricQuestion, MetricReading

GATE = {"metrics": [{"name": "auc", "min": 0.75}]}
Scenario = Callable[[World], None]


def good_run(world: World) -> None:
    through(world)
    world.at("2026-11-22T03:00:00Z")
    through(world)
    world.later(minutes=10).train(auc=0.9, tags={TAG_HOLDOUT: "sha256:h"})
    through(world)


def rejected_run(world: World) -> None:
    through(world)
    world.ask_by_hand("one")
    through(world)
    world.train(auc=0.1)
    through(world)


def two_runs_the_first_with_bad_data(world: World) -> None:
    through(world)
    world.at("2026-11-22T03:00:00Z").ask_by_hand("one")
    through(world)
    world.end(64, {"failures": ["empty"]})
    through(world)
    world.ask_by_hand("two")
    through(world)
    world.later(minutes=10).train(auc=0.9)
    through(world)
    world.edit(history={"runs": 1})
    through(world)


def run_of_three_stages(world: World) -> None:
    _run_of(world, StageName.FEATURES, StageName.TRAINING, StageName.EVALUATION)


def run_of_all_five_stages_on_one_volume(world: World) -> None:
    world.edit(storage={"size": "1Gi"})
    _run_of(world, *StageName)
    assert len(world.made) == len(StageName)


def _run_of(world: World, *names: StageName) -> None:
    world.edit(stages={name.value: stage_spec() for name in names})
    through(world)
    world.ask_by_hand("one")
    for name in names:
        through(world)
        world.later(minutes=10)
        if name is StageName.TRAINING:
            world.train(auc=0.9)
        else:
            world.end(0, {"metrics": {f"{name}_rows": 5}})
    through(world)


def failing_tests(world: World) -> None:
    world.edit(stages={"training": stage_spec(), "tests": stage_spec()})
    world.ask_by_hand("one")
    through(world)
    world.train(auc=0.9)
    through(world)
    world.end(1, {"failures": ["test_churn.py::test_is_monotone"]})
    through(world)


def drift_that_waits_for_a_pause_and_comes_again(world: World) -> None:
    drifted = {"name": "drifted", "monitors": {"names": ["inputs"]}}
    world.edit(suspend=True, triggers=[weekly(), drifted])
    world.watch({"name": "inputs"})
    through(world)
    world.at("2026-11-20T14:01:00Z").fire("inputs")
    through(world)
    world.at("2026-11-20T15:01:00Z").fire()
    through(world)
    world.edit(suspend=False)
    through(world)
    world.train(auc=0.1)
    through(world)
    world.at("2026-11-20T17:01:00Z").fire("inputs")
    through(world)
    world.train(auc=0.9)
    through(world)


def second_run_with_cached_features(world: World) -> None:
    world.edit(stages={"features": stage_spec(), "training": stage_spec()})
    world.edit(storage={"size": "1Gi"}, data={"uri": "s3://data", "revision": "1"}).ask_by_hand("one")
    through(world)
    world.end(0)
    through(world)
    world.train(auc=0.9)
    through(world)
    world.later(minutes=10).ask_by_hand("two")
    through(world)
    world.train(auc=0.9)
    through(world)


def events_before_and_while_a_run_is_at_work(world: World) -> None:
    world.edit(triggers=[{"name": "ready", "event": {"type": "ready"}}], history={"runs": 1})
    through(world)
    world.receive("batch-1", "batch-2")
    through(world)
    world.later(minutes=5).receive("batch-2", "batch-3").train(auc=0.1)
    through(world)
    world.later(minutes=30).train(auc=0.9)
    through(world)
    world.later(minutes=30)
    through(world)


def ray_job_that_outlasts_its_time(world: World) -> None:
    world.edit(stages={"training": {"resource": {"manifest": ray_job()}, "timeout": "1h"}}).ask_by_hand("one")
    through(world)
    world.later(hours=2)
    through(world)
    assert world.jobs == {}


def two_candidates_on_one_holdout(world: World) -> None:
    """The second one is judged with more confidence, because the first one has asked before."""
    world.edit(gate={"metrics": [{"name": "auc"}]})
    world.registry.add_version("churn")
    world.serve("1")
    for cause, candidate in (("one", 0.75), ("two", 0.80)):
        world.later(minutes=10).ask_by_hand(cause)
        through(world)
        report = {"metrics": {"auc": candidate}, "evaluation": evaluation(candidate, 0.0049)}
        world.end(0, {**report, "model": {"uri": f"runs:/{world.mlflow_run}/model"}})
        through(world)


def new_data_is_polled_and_resolved(world: World) -> None:
    """A run for new content, which an audit refuses, and none for the same content under another revision."""
    data = {"uri": "git+https://git.example/data//train.csv", "revision": "main", "resolver": {}}
    trigger = {"name": "fresh", "newData": {"poll": "10m"}}
    world.edit(triggers=[trigger], data=data, audit="Strict")
    through(world)
    world.end(0, {"data": {"revision": "r1", "digest": "a"}})
    through(world)
    world.end(0, {"data": {"revision": "r1", "digest": "a"}})
    through(world)
    world.train(auc=0.9)
    through(world)
    world.later(minutes=11)
    through(world)
    world.end(0, {"data": {"revision": "r2", "digest": "a"}})
    through(world)


def a_query_and_an_edit_during_a_pause(world: World) -> None:
    kpi = {"name": "kpi", "query": {"expression": "up", "max": 0.2, "for": "1m"}}
    question = MetricQuestion("up", 60)
    world.prometheus = True
    world.ask_by_hand("one")
    through(world)
    world.later(minutes=10).train(auc=0.9)
    through(world)
    world.later(minutes=10).edit(suspend=True, triggers=[weekly(), kpi])
    through(world)
    world.readings[question] = MetricReading(world.later(minutes=10).now, 1, (0.3,) * question.values)
    through(world)
    world.readings[question] = MetricReading(world.later(minutes=10).now, 1, (0.1,) * question.values)
    container = {"name": "train", "image": "ghcr.io/acme/churn-train:1.5"}
    world.edit(suspend=False, stages={"training": {"template": {"spec": {"containers": [container]}}}})
    through(world)
    assert len(world.made) == 2


def bad_data_that_is_replaced(world: World) -> None:
    """Other content ends the pause long before the next look, and its one run answers what was held back."""
    data = {"uri": "git+https://git.example/data//train.csv", "revision": "main", "resolver": {}}
    triggers = [weekly(), {"name": "fresh", "newData": {"poll": "10m"}}]
    stages = {"dataValidation": stage_spec(), "training": stage_spec()}
    world.edit(triggers=triggers, data=data, stages=stages, dataQuality={"recheck": "30d"})
    through(world)
    for _ in ("the poll", "the resolver of the run"):
        world.end(0, {"data": {"revision": "r1", "digest": "a"}})
        through(world)
    world.end(64, {"failures": ["age is empty"]})
    through(world)
    world.at("2026-11-22T03:00:05Z")
    through(world)
    for _ in ("the poll", "the resolver of the run"):
        world.end(0, {"data": {"revision": "r2", "digest": "b"}})
        through(world)
    world.end(0)
    through(world)
    world.train(auc=0.9)
    through(world)
    assert len(world.last_run["reasons"]) == 2


def another_serving_image_while_a_run_is_at_work(world: World) -> None:
    world.edit(runOnChange=["Server"]).ask_by_hand("one")
    through(world)
    world.server_image = "viridian/server:2"
    world.later(minutes=10).train(auc=0.1)
    through(world)
    world.later(minutes=10).train(auc=0.9)
    through(world)
    world.later(hours=1)
    through(world)
    assert len(world.made) == 2


def outcomes_become_mature_during_a_pause_and_again_after_the_run(world: World) -> None:
    assert world.deployment is not None
    world.collector = True
    world.deployment["spec"]["feedback"] = {"labelMaturity": "14d"}
    world.edit(suspend=True, triggers=[{"name": "enough", "labels": {"count": 5000}}])
    through(world)
    for outcomes in (4999, 5001):
        counted(world.later(hours=1), outcomes)
        through(world)
    world.edit(suspend=False)
    through(world)
    counted(world.later(minutes=10), 20).train(auc=0.9)
    through(world)
    counted(world.later(days=9), 6000)
    through(world)
    world.train(auc=0.9)
    through(world)
    assert len(world.made) == 2


def weights_that_a_known_version_answers_first(world: World) -> None:
    """The edit starts its run once, after the version that was recommended serves."""
    metrics = ({"name": "revenue", "weight": 1}, {"name": "satisfaction", "weight": 0})
    world.edit(gate={"rule": "Thresholds", "metrics": [{"name": "revenue", "min": 50}]}, objective={"metrics": metrics})
    for cause, version, revenue, satisfaction in (("one", "1", 98.0, 4.2), ("two", "2", 100.0, 4.0)):
        world.later(minutes=10).ask_by_hand(cause)
        through(world)
        found = {"holdout": {"digest": "sha256:h", "rows": 5000}, "metrics": {}}
        numbers = {"revenue": revenue, "satisfaction": satisfaction}
        model = {"uri": f"runs:/{world.mlflow_run}/model"}
        world.end(0, {"metrics": numbers, "evaluation": found, "model": model})
        through(world)
        world.serve(version)
    world.later(minutes=10).edit(objective={"metrics": [metrics[0], {"name": "satisfaction", "weight": 3}]})
    through(world)
    assert len(world.made) == 2
    world.later(minutes=10).serve("1")
    through(world)
    assert len(world.made) == 3


def candidate_that_waits_for_room(world: World) -> None:
    world.edit(budget={"maxHandOvers": 1, "period": "7d"})
    for cause in ("one", "two"):
        world.later(minutes=10).ask_by_hand(cause)
        through(world)
        world.later(minutes=10).train(auc=0.9)
        through(world)
    assert world.aliases() == {"candidate": "1"}
    world.later(days=7)
    through(world)
    assert world.aliases() == {"candidate": "2"}


SCENARIOS: tuple[Scenario, ...] = (
    good_run,
    rejected_run,
    two_runs_the_first_with_bad_data,
    run_of_three_stages,
    run_of_all_five_stages_on_one_volume,
    failing_tests,
    drift_that_waits_for_a_pause_and_comes_again,
    a_query_and_an_edit_during_a_pause,
    outcomes_become_mature_during_a_pause_and_again_after_the_run,
    second_run_with_cached_features,
    events_before_and_while_a_run_is_at_work,
    ray_job_that_outlasts_its_time,
    two_candidates_on_one_holdout,
    new_data_is_polled_and_resolved,
    bad_data_that_is_replaced,
    another_serving_image_while_a_run_is_at_work,
    weights_that_a_known_version_answers_first,
    candidate_that_waits_for_room,
)


def fresh() -> World:
    return World(policy=policy(weekly(), gate=GATE), stage_resources=(RAY,))


def result(world: World) -> Any:
    """The whole world, without the times at which conditions changed."""
    status = json.loads(json.dumps(world.status))
    for condition in status["conditions"]:
        condition.pop("lastTransitionTime")
    return {
        "status": status,
        "jobs": world.jobs,
        "volumes": list(world.claims),
        "versions": dict(world.registry.versions("churn")),
        "runs": world.registry.runs(),
        "aliases": dict(world.aliases()),
    }


def undisturbed(scenario: Scenario) -> World:
    world = fresh()
    scenario(world)
    return world


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize("status_lost", [False, True], ids=["status kept", "status deleted"])
def test_killed_after_the_kth_write(
    scenario: Scenario, status_lost: bool, record_property: Callable[[str, object], None]
) -> None:
    expected = undisturbed(scenario)
    assert expected.writes > 10
    world, turns = fresh(), Turns()
    world.turns, world.on_kill = turns, world.forget_status if status_lost else None

    def check() -> None:
        assert result(world) == result(expected), f"killed after write {world.writes}"
        assert len(world.made) == len(set(world.made)) == len(expected.made)
        if not status_lost:
            assert [event for event in world.told if event not in expected.told] == []
            assert all(world.told.count(reason) <= expected.told.count(reason) for reason in world.told)

    turns.tell(lambda: scenario(world), check)
    assert world.writes == expected.writes
    how = "killed, and the whole status deleted" if status_lost else "killed after the write"
    record_property(KILLS, f"decisions, {scenario.__name__.replace('_', ' ')}: {expected.writes} ks ({how})")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize("method", ["create_run", "register", "tag_version", "set_alias", "finish_run"])
def test_the_answer_to_a_registry_write_is_lost(scenario: Scenario, method: str) -> None:
    expected = undisturbed(scenario)
    world = fresh()
    world.registry.lose_answer_of(method)
    scenario(world)
    assert result(world) == result(expected)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_every_event_is_told_once(scenario: Scenario) -> None:
    expected = undisturbed(scenario)
    told = [(event.reason, event.message) for event in expected.events]
    assert len(told) == len(set(told))

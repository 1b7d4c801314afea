"""What a run used of CPUs and memory, as far as its stages have measured it."""

from __future__ import annotations

from typing import Any

from tests.unit.retraining.world import World, policy, stage_spec
from viridian.api.stage import StageName


def used(seconds: float, peak: int) -> dict[str, Any]:
    return {"usage": {"cpuSeconds": seconds, "peakMemoryBytes": peak}}


def usages(world: World) -> dict[str, Any]:
    return {stage["name"]: stage["usage"] for stage in world.status["stages"] if "usage" in stage}


def test_cpu_seconds_add_up_and_the_largest_stage_has_the_peak() -> None:
    names = (StageName.FEATURES, StageName.TRAINING, StageName.EVALUATION)
    world = World(policy=policy(stages={name.value: stage_spec() for name in names})).ask_by_hand("one")
    world.settle()
    world.end(0, used(1.25, 300)).settle()
    assert usages(world) == {"features": used(1.25, 300)["usage"]}
    world.train(auc=0.9)
    world.end(0, used(60.5, 5000)).settle()
    world.end(0, {"metrics": {"rows": 5}}).settle()
    assert world.last_run["usage"] == {"cpuSeconds": 61.75, "peakMemoryBytes": 5000}
    assert usages(world) == {"features": used(1.25, 300)["usage"], "training": used(60.5, 5000)["usage"]}


def test_a_stage_that_failed_has_used_something_too() -> None:
    world = World(policy=policy()).ask_by_hand("one")
    world.settle()
    world.end(64, {"failures": ["empty"], **used(2.0, 100)}).settle()
    assert world.last_run["usage"] == {"cpuSeconds": 2.0, "peakMemoryBytes": 100}


def test_a_result_of_an_earlier_run_has_used_nothing() -> None:
    stages = {"features": stage_spec(), "training": stage_spec()}
    world = World(policy=policy(stages=stages, storage={"size": "1Gi"}, data={"uri": "s3://d", "revision": "1"}))
    for cause in ("one", "two"):
        world.later(minutes=10).ask_by_hand(cause).settle()
        if cause == "one":
            world.end(0, used(1.0, 900)).settle()
        world.train(auc=0.9)
        world.end(0, used(4.0, 500)).settle()
    assert world.stage_states()["features"] == "Cached"
    assert world.last_run["usage"] == {"cpuSeconds": 4.0, "peakMemoryBytes": 500}


def test_without_a_measurement_there_is_no_figure() -> None:
    world = World(policy=policy()).ask_by_hand("one")
    world.settle()
    world.train(auc=0.9).settle()
    assert "usage" not in world.last_run
    assert usages(world) == {}

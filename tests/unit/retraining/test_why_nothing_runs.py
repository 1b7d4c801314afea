"""A run that does not come forward says why within ten seconds, and a container beside the work holds up nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.retraining.world import START, World, policy
from viridian.api.registry import RunStatus
from viridian.core.times import format_time

UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient cpu."}
RUNNING: dict[str, Any] = {"running": {"startedAt": "2026-11-20T12:00:00Z"}}


def training(**spec: Any) -> World:
    """A run whose Job was seen at work."""
    world = World(policy=policy(**spec))
    world.settle()
    world.ask_by_hand("one").settle()
    return world


def shows(world: World, state: dict[str, Any], phase: str = "Pending", **status: Any) -> World:
    """The newest Job has one pod, and it is like that."""
    world.pods[world.made[-1]] = [world.pod(state, phase, **status)]
    return world


def beside(world: World, code: int, said: str = "", at: str = "2026-11-20T12:00:00Z") -> World:
    """The training container ends, and a second one goes on."""
    ended = {"terminated": {"exitCode": code, "message": said, "finishedAt": at}}
    proxy = {"name": "mesh-proxy", "state": RUNNING}
    world.pods[world.made[-1]] = [
        world.pod(ended, "Running", containerStatuses=[{"name": "train", "state": ended}, proxy])
    ]
    return world


def test_a_pod_that_no_node_takes() -> None:
    world = shows(training(), {}, conditions=[UNSCHEDULED])
    world.settle()
    assert world.condition("Ready") == ("True", "RunActive")
    assert "training does not run: it is not scheduled: 0/3 nodes are available" in world.message("Ready")


def test_no_pod_at_all_is_told_after_ten_seconds_without_being_woken() -> None:
    world = training()
    plan = world.settle()
    assert world.message("Ready").endswith(": training")
    assert plan.wake == START + timedelta(seconds=10)
    world.at(format_time(plan.wake)).settle()
    assert "no pod has been created: does a quota or an admission policy refuse it?" in world.message("Ready")


def test_the_sentence_is_written_a_few_times_and_not_every_second() -> None:
    world = training()
    world.settle()
    before, said = world.writes, set()
    for _ in range(300):
        world.later(seconds=1).settle()
        said.add(world.message("Ready"))
    assert len(said) == 9  # silence, then 10s, 20s, 30s, 40s, 1m, 2m, 3m and 5m
    assert world.writes - before < 12


def test_two_names_for_an_image_that_cannot_be_pulled_are_noted_once() -> None:
    world = training()
    for _ in range(5):
        for reason in ("ErrImagePull", "ImagePullBackOff"):
            shows(world, {"waiting": {"reason": reason, "message": "no such image"}}).settle()
    before = world.records[world.runs[0]["metadata"]["name"]]["metadata"]["annotations"]
    assert "ErrImagePull" in before["viridian.dev/stages"]


def test_a_suspended_job_names_who_may_resume_it() -> None:
    world = training()
    world.job["spec"]["suspend"] = True
    world.settle()
    assert "its Job is suspended, and a queue such as Kueue" in world.message("Ready")


def test_an_attempt_that_was_killed_for_its_memory_is_told_while_the_next_one_runs() -> None:
    world = training()
    killed = world.pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "Failed")
    world.later(seconds=30)
    world.pods[world.made[-1]] = [killed, world.pod(RUNNING)]
    world.settle()
    assert "training; attempt 1 failed: train: OOMKilled" in world.message("Ready")
    world.end(137)
    world.pods[world.made[-1]][0]["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] = "OOMKilled"
    world.settle()
    assert world.last_run["message"].startswith("training failed with exit code 137 (OOMKilled: it took more memory")


def test_a_timeout_says_what_kept_the_stage_from_starting() -> None:
    world = shows(training(), {}, conditions=[UNSCHEDULED])
    world.settle()
    world.pods.clear()
    world.end(1, reason="DeadlineExceeded")
    world.pods.clear()
    world.forget_status().settle()
    assert "did not end within its timeout, now 6h: it is not scheduled: 0/3 nodes" in world.last_run["message"]


def test_a_timeout_of_a_stage_that_ran_blames_no_slow_start() -> None:
    world = shows(training(), {}, conditions=[UNSCHEDULED])
    world.settle()
    shows(world, RUNNING, "Running").settle()
    world.end(143, reason="DeadlineExceeded").settle()
    assert world.last_run["message"] == "training did not end within its timeout, now 6h"


# ---- a container that goes on after the work


def test_the_exit_of_the_training_container_decides() -> None:
    world = training()
    world.registry.log(world.mlflow_run, metrics={"auc": 0.9}, model_uri="models:/m-1")
    plan = beside(world, 0).settle()
    assert "training ended with exit code 0, but container mesh-proxy keeps its pod alive" in world.message("Ready")
    assert plan.wake == START + timedelta(seconds=15)
    world.later(seconds=15).settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert world.jobs == {}, "the Job is ended: nothing else would end the pod"
    assert world.told == ["RunStarted", "GatePassed", "HandedOver"]


@pytest.mark.parametrize(
    ("code", "outcome"), [(64, "DataQualityFailed"), (65, "Rejected"), (66, "Skipped"), (1, "Failed")]
)
def test_so_does_every_other_exit_code(code: int, outcome: str) -> None:
    world = beside(training(), code, '{"failures": ["why"]}').later(seconds=15)
    world.settle()
    assert world.last_run["outcome"] == outcome
    assert ("mesh-proxy kept its pod alive" in world.last_run["message"]) == (code == 1)
    assert world.jobs == {}


def test_company_that_ends_in_time_changes_nothing() -> None:
    world = beside(training(), 0)
    world.settle()
    world.later(seconds=5).train(auc=0.9).settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert len(world.jobs) == 1


def test_the_job_is_ended_by_the_next_operator_if_this_one_dies() -> None:
    world = beside(training(), 66).later(seconds=15)
    left = world.jobs[world.made[0]]
    world.settle()
    world.jobs[world.made[0]] = left
    world.settle()
    assert world.jobs == {}
    assert world.registry.runs()[0].status is RunStatus.FINISHED

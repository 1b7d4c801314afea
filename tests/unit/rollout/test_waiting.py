"""Whatever a slot waits for, and in whatever step: the conditions name the cause within ten seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.snapshots import NOW, ago, ago_time, record, slot, snapshot
from tests.unit.rollout.cases import (
    BLUE,
    BOTH_STEPS,
    ENTERED,
    FIRST_STEP,
    GREEN,
    HEALTHY_BEFORE,
    ONE_STEADY,
    TWO_KNOWN,
    TWO_PROBATION,
    TWO_STEADY,
    trial_world,
)
from viridian.core.pods_waiting import GRACE, Impediment
from viridian.core.times import parse_time
from viridian.rollout.decide import decide
from viridian.rollout.input import RolloutInput
from viridian.rollout.slot_state import SlotState

Hamper = Callable[[SlotState], SlotState]

UNSCHEDULED = Impediment("it is not scheduled: 0/1 nodes are available")
PULLING = Impediment("ErrImageNeverPull: no image x", "server")
QUOTA = {"type": "ReplicaFailure", "status": "True", "message": 'pods "x" is forbidden: exceeded quota: few'}


def with_pods(world: SlotState, impediment: Impediment, **more: Any) -> SlotState:
    """The pods that are not ready have this impediment."""
    pods = [pod if pod.ready else replace(pod, impediment=impediment, **more) for pod in world.pods]
    return replace(world, pods=tuple(pods))


def in_init_for(seconds: float) -> Hamper:
    at = parse_time(ago(seconds))
    return lambda world: with_pods(world, Impediment("this init container is at work", "fetch", at))


def with_condition(world: SlotState, condition: dict[str, Any]) -> SlotState:
    status = world.deployment["status"]
    changed = {**status, "conditions": [*status["conditions"], condition]}
    return replace(world, deployment={**world.deployment, "status": changed}, pods=ready_ones(world))


def ready_ones(world: SlotState) -> tuple[Any, ...]:
    return tuple(pod for pod in world.pods if pod.ready)


CAUSES: dict[str, tuple[Hamper, str]] = {
    "no node": (lambda world: with_pods(world, UNSCHEDULED), "it is not scheduled: 0/1 nodes"),
    "no image": (lambda world: with_pods(world, PULLING), "server: ErrImageNeverPull: no image x"),
    "evicted": (
        lambda world: with_pods(world, Impediment("Evicted: low on memory"), failed=True, running=False),
        "Evicted: low on memory",
    ),
    "quota": (lambda world: with_condition(world, QUOTA), "exceeded quota: few"),
    "init": (in_init_for(12), "fetch: this init container is at work, for 10s now"),
    "nobody makes them": (lambda world: replace(world, pods=ready_ones(world)), "have not been created"),
}


def lacking(at: Any, version: str, pods: int, ready: int, hamper: Hamper) -> SlotState:
    return hamper(slot(at, version, pods, ready=ready, unavailable_for=12))


STAGES: dict[str, Callable[[Hamper], RolloutInput]] = {
    "the first deployment": lambda hamper: snapshot(slots=[lacking(BLUE, "1", 2, 0, hamper)], known=[record("1")]),
    "before the first step": lambda hamper: snapshot(
        **HEALTHY_BEFORE, traffic=ONE_STEADY, slots=[slot(BLUE, "1"), lacking(GREEN, "2", 1, 0, hamper)]
    ),
    "a step that lacks the challenger's": lambda hamper: trial_world(
        ENTERED, challenger=lacking(GREEN, "2", 1, 0, hamper), readings={}
    ),
    "a step that lacks the champion's": lambda hamper: trial_world(
        ENTERED, champion=lacking(BLUE, "1", 3, 2, hamper), readings={}
    ),
    "in a step": lambda hamper: trial_world(
        replace(FIRST_STEP, since=ago_time(4)), champion=lacking(BLUE, "1", 3, 2, hamper)
    ),
    "the promotion": lambda hamper: trial_world(
        replace(FIRST_STEP, passed=BOTH_STEPS, weight=50, since=None, entered=ago_time(5)),
        blue=2,
        challenger=lacking(GREEN, "2", 2, 1, hamper),
    ),
    "probation": lambda hamper: snapshot(
        wanted="2", traffic=TWO_PROBATION, known=TWO_KNOWN, slots=[slot(BLUE, "1"), lacking(GREEN, "2", 2, 1, hamper)]
    ),
    "a champion below its replicas": lambda hamper: snapshot(
        wanted="2", traffic=TWO_STEADY, known=TWO_KNOWN, slots=[slot(BLUE, "1", 1), lacking(GREEN, "2", 2, 1, hamper)]
    ),
    "a champion that serves nobody": lambda hamper: snapshot(
        wanted="2", traffic=TWO_STEADY, known=TWO_KNOWN, slots=[slot(BLUE, "1", 1), lacking(GREEN, "2", 2, 0, hamper)]
    ),
}


def messages(status: Any) -> dict[str, str]:
    return {condition["type"]: condition["message"] for condition in status["conditions"]}


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("stage", STAGES)
def test_ready_and_reconciling_name_the_cause(stage: str, cause: str) -> None:
    hamper, words = CAUSES[cause]
    plan = decide(STAGES[stage](hamper), NOW)
    assert plan.status is not None
    said = messages(plan.status)
    assert words in said["Ready"]
    assert "Reconciling" not in said or "for the step to end" in said["Reconciling"] or words in said["Reconciling"]


@pytest.mark.parametrize("stage", STAGES)
def test_what_every_pod_goes_through_is_not_told_at_first_and_looked_at_in_time(stage: str) -> None:
    plan = decide(STAGES[stage](in_init_for(7)), NOW)
    assert plan.status is not None
    assert "init container" not in messages(plan.status)["Ready"]
    assert plan.wake is not None
    assert plan.wake <= NOW + GRACE - timedelta(seconds=7)


@pytest.mark.parametrize("stage", STAGES)
def test_the_time_that_it_takes_is_no_write_at_each_look(stage: str) -> None:
    told = {
        messages(decide(STAGES[stage](in_init_for(seconds)), NOW).status)["Ready"] for seconds in range(180, 300, 10)
    }
    assert len(told) == 1


def test_the_fallback_that_is_not_ready_says_why() -> None:
    hamper, words = CAUSES["no node"]
    shown = snapshot(
        wanted="2", traffic=TWO_STEADY, known=TWO_KNOWN, slots=[lacking(BLUE, "1", 1, 0, hamper), slot(GREEN, "2")]
    )
    status = decide(shown, NOW).status
    assert status is not None
    assert words in messages(status)["RollbackReady"]


def test_what_another_revision_lacks_is_no_cause() -> None:
    older = with_pods(slot(GREEN, "3", 1, ready=0), UNSCHEDULED)
    world = replace(slot(GREEN, "2", 1, ready=0), pods=older.pods)
    assert "scheduled" not in world.failure_message(NOW)


def test_a_pod_that_is_ready_complains_of_nothing() -> None:
    world = with_pods(slot(GREEN, "2", 2, ready=1), UNSCHEDULED)
    assert world.pods[0].impediment is None
    crashed = replace(world.pods[0], impediment=Impediment("OOMKilled", "server"))
    assert "OOMKilled" not in replace(world, pods=(crashed, *world.pods[1:])).failure_message(NOW)


def test_the_rejection_carries_the_cause() -> None:
    hamper, words = CAUSES["quota"]
    late = replace(FIRST_STEP, passed=BOTH_STEPS, weight=50, since=None, entered=ago_time(61))
    plan = decide(trial_world(late, blue=2, challenger=lacking(GREEN, "2", 2, 1, hamper)), NOW)
    assert plan.status is not None
    assert words in plan.status["rejected"][0]["message"]

"""P7: a plan that was carried out leaves nothing to plan; and there is a plan for any world, however damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.snapshots import NOW, answers, slot, snapshot, spec
from tests.unit.rollout.cases import BLUE, FIRST_STEP, GREEN, TWO_WARM, V1, V2, Case, probation_world, trial_world
from tests.unit.rollout.test_commands import COMMANDS
from tests.unit.rollout.test_first_deployment import DEPLOYING, FIRST
from tests.unit.rollout.test_promotion import PROMOTION
from tests.unit.rollout.test_steady import DESTROYED, STEADY
from tests.unit.rollout.test_trial import ALONE, EDITED, PAUSED, TRIAL
from viridian.api.names import OUTCOME_ANNOTATION, TRAFFIC_ANNOTATION, Slot
from viridian.core.plan import Annotate, Apply, Delete, Plan
from viridian.rollout import records
from viridian.rollout.decide import decide
from viridian.rollout.input import RolloutInput
from viridian.rollout.slot_state import SlotState

CASES = (*FIRST, *DEPLOYING, *TRIAL, *EDITED, *PAUSED, *ALONE, *PROMOTION, *COMMANDS, *STEADY, *DESTROYED)
MOST_PASSES = 4


def carried_out(shown: RolloutInput, plan: Plan) -> RolloutInput:
    """The world after the plan, before any controller has looked at it."""
    for action in plan.actions:
        if isinstance(action, Apply):
            shown = _applied(shown, json.loads(json.dumps(action.manifest)))
        elif isinstance(action, Annotate):
            shown = _annotated(shown, action)
        elif isinstance(action, Delete):
            shown = _deleted(shown, action)
    return replace(shown, status=json.loads(json.dumps(plan.status)))


def _applied(shown: RolloutInput, made: dict[str, Any]) -> RolloutInput:
    name = made["metadata"]["name"]
    made["metadata"]["uid"] = f"uid-of-{made['kind']}-{name}"
    if made["kind"] == "Service":
        return replace(shown, live=made) if name == "churn" else replace(shown, preview=made)
    if made["kind"] == "PodDisruptionBudget":
        return replace(shown, budgets={**shown.budgets, name: made})
    if made["kind"] == "NetworkPolicy":
        return replace(shown, network_policy=made)
    if made["kind"] == "ControllerRevision":
        found = records.parse(made)
        assert found is not None
        return replace(shown, records={**shown.records, found.revision: found})
    at = Slot(name.removeprefix("churn-"))
    before = shown.slots.get(at)
    made["metadata"]["generation"] = 3
    made["status"] = dict(before.deployment["status"]) if before else {}
    return replace(shown, slots={**shown.slots, at: SlotState(made, before.pods if before else ())})


def _annotated(shown: RolloutInput, action: Annotate) -> RolloutInput:
    revision = action.name.removeprefix("churn-")
    manifest = dict(shown.records[revision].manifest)
    manifest["metadata"] = {**manifest["metadata"], "annotations": dict(action.annotations)}
    found = records.parse(manifest)
    assert found is not None
    return replace(shown, records={**shown.records, revision: found})


def _deleted(shown: RolloutInput, action: Delete) -> RolloutInput:
    def without(objects: Any, key: Any) -> dict[Any, Any]:
        return {name: kept for name, kept in objects.items() if name != key}

    if action.kind == "Deployment":
        return replace(shown, slots=without(shown.slots, Slot(action.name.removeprefix("churn-"))))
    if action.kind == "PodDisruptionBudget":
        return replace(shown, budgets=without(shown.budgets, action.name))
    return replace(shown, records=without(shown.records, action.name.removeprefix("churn-")))


def writes(plan: Plan) -> list[Any]:
    return [action for action in plan.actions if isinstance(action, Apply | Delete | Annotate)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_a_plan_that_was_carried_out_leaves_nothing_to_plan(case: Case) -> None:
    """A pass makes one move, so a few may follow each other at one moment; then there is rest."""
    shown = case.shown
    for _ in range(MOST_PASSES):
        plan = decide(shown, NOW)
        before, shown = shown, carried_out(shown, plan)
        if not writes(plan) and plan.status == before.status:
            return
    raise AssertionError(f"still at work after {MOST_PASSES} passes: {writes(plan)}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_the_same_world_gives_the_same_plan(case: Case) -> None:
    assert decide(case.shown, NOW) == decide(case.shown, NOW)


# ---- Damage ----

WORLDS = [
    snapshot(**TWO_WARM),
    trial_world(FIRST_STEP),
    trial_world(FIRST_STEP, errors=150),
    probation_world(errors=150),
    snapshot(wanted="2", slots=(slot(BLUE, "1"), slot(GREEN, "2"))),
]
WORDS = st.sampled_from(
    ["", V1, V2, f"{V2}#2", "blue", "red", "2026-01-05T11:59:00Z", "9999-12-31T23:59:59Z", "NaN", "Rejected", "☃"]
)
LEAVES = st.none() | st.booleans() | st.integers(-5, 200) | st.floats(allow_nan=False) | WORDS
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8
)
CONDITIONS = st.lists(st.dictionaries(st.sampled_from(["type", "status", "lastTransitionTime"]), JSON))
STATUS = st.fixed_dictionaries(
    {},
    optional={
        "conditions": CONDITIONS | JSON,
        "challenger": JSON | st.fixed_dictionaries({"metrics": JSON, "revision": WORDS}),
        "champion": JSON,
        "observedGeneration": JSON,
    },
)
TRIALS = st.fixed_dictionaries(
    {"revision": WORDS, "passed": st.lists(st.sampled_from(["25%", "50%", "approval"]), max_size=4) | JSON},
    optional=dict.fromkeys(("weight", "since", "entered", "counted_from", "blind_since", "approved"), JSON),
)
TRAFFIC = st.fixed_dictionaries(
    {"champion": WORDS, "revision": WORDS, "since": WORDS},
    optional={"trial": TRIALS | JSON, "reverted": JSON, "former": WORDS, "cause": WORDS},
)
COMMAND = st.dictionaries(
    st.sampled_from([f"viridian.dev/{name}" for name in ("approve", "reject", "rollback", "retry", "restart")]), WORDS
)


@given(st.sampled_from(WORLDS), STATUS, TRAFFIC | JSON, COMMAND, JSON)
def test_there_is_a_plan_for_any_damage(
    world: RolloutInput, status: Any, traffic: Any, commands: dict[str, str], outcomes: Any
) -> None:
    live = dict(world.live or {"metadata": {"name": "churn", "uid": "live"}, "spec": {}})
    live["metadata"] = {**live["metadata"], "annotations": {TRAFFIC_ANNOTATION: json.dumps(traffic)}}
    damaged = {}
    for record in world.records.values():
        manifest = dict(record.manifest)
        manifest["metadata"] = {**manifest["metadata"], "annotations": {OUTCOME_ANNOTATION: json.dumps(outcomes)}}
        parsed = records.parse(manifest)
        if parsed is not None:
            damaged[parsed.revision] = parsed
    plan = decide(replace(world, live=live, status=status, annotations=commands, records=damaged), NOW)
    assert plan.status is not None
    assert {"Ready", "RollbackReady"} <= {condition["type"] for condition in plan.status["conditions"]}
    json.dumps(plan.status, allow_nan=False)


@given(st.sampled_from(WORLDS), st.text(max_size=30))
def test_any_text_may_stand_in_an_annotation(world: RolloutInput, text: str) -> None:
    names = ("approve", "reject", "rollback", "retry", "restart")
    live = {**(world.live or {"spec": {}}), "metadata": {"name": "churn", "annotations": {TRAFFIC_ANNOTATION: text}}}
    assert decide(replace(world, annotations={f"viridian.dev/{n}": text for n in names}, live=live), NOW).status


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5000), st.floats(0, 1)), max_size=6),
    st.sampled_from(["error-rate", "success-rate", "latency-p50", "latency-p99"]),
)
def test_there_is_a_plan_for_any_readings(steps: list[tuple[int, int, float]], metric: str) -> None:
    """Counters that fall, answers that are all bad, none at all: whatever pods tell."""
    world = slot(GREEN, "2", 1)
    readings: dict[str, Any] = {"green-0": []}
    for since, requests, share in sorted(steps, reverse=True):
        readings["green-0"] += answers(world, requests, requests * share, since=since + 1, until=since)["green-0"][1:]
    bound = {"name": metric, "min": 0.9} if metric == "success-rate" else {"name": metric, "max": 0.1}
    shown = trial_world(FIRST_STEP, whole=spec(rollout={"analysis": {"metrics": [bound]}}), readings=readings)
    assert decide(shown, NOW).summary

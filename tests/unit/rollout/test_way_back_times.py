"""The times of a way back: of its deciding answer, and of the last answer once that is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.snapshots import NOW, ago, ago_time, outcome, promoted, record, sample, slot, snapshot
from tests.unit.rollout.cases import BLUE, FIRST_STEP, GREEN, ONE_STEADY, V1, V2, probation_world, trial_world
from tests.unit.rollout.plans import order
from viridian.api import reasons
from viridian.api.names import OUTCOME_ANNOTATION
from viridian.api.samples import PodSample
from viridian.core.plan import Annotate, Delete, Plan
from viridian.rollout.analysis.selection import queries
from viridian.rollout.decide import decide
from viridian.rollout.input import RolloutInput
from viridian.rollout.policies.choose import choose
from viridian.rollout.state import read
from viridian.rollout.traffic.record import Reverted
from viridian.rollout.way_back_times import DRAIN

CHALLENGER = slot(GREEN, "2", 1)
LOST = Reverted(
    V2, reasons.REJECTED, reasons.METRIC_BREACH, "30 % errors", ago_time(11), ago_time(12), decided_at=ago_time(11.1)
)
KNOWN_LOST = replace(
    outcome(reasons.REJECTED, 11, reason=reasons.METRIC_BREACH, message="30 % errors"),
    other=V1,
    breach_at=ago(12),
    decided_at=ago(11.1),
)


def gone_bad(*errors: float) -> Mapping[str, Sequence[PodSample]]:
    """Readings a tenth of a second apart, the last one now, with as many errors as were counted by each."""
    (pod,) = CHALLENGER.pods
    first = sample(pod.uid, 10, 0)
    later = [
        sample(pod.uid, (len(errors) - 1 - number) / 10, 50 + 2 * number, bad) for number, bad in enumerate(errors)
    ]
    return {pod.uid: (first, *later)}


def reverted(shown: RolloutInput, now: Any = NOW) -> Reverted | None:
    assert shown.spec is not None
    traffic = choose(read(shown, shown.spec, now)).traffic
    return traffic.reverted if traffic is not None else None


@pytest.mark.parametrize("after", range(4))
def test_the_deciding_answer_is_the_first_with_which_a_pass_would_have_decided(after: int) -> None:
    counted = [0.0, 1, 2, 3, 4, 5, 6, 7, 8]
    known = [trial_world(FIRST_STEP, readings=gone_bad(*counted[:number])) for number in range(1, len(counted) + 1)]
    first = next(number for number, shown in enumerate(known) if reverted(shown) is not None)
    readings = gone_bad(*counted[: first + 1 + after])
    lost = reverted(trial_world(FIRST_STEP, readings=readings))
    assert lost is not None
    assert lost.decided_at == NOW - timedelta(seconds=after / 10)
    assert lost.breach_at is not None
    assert lost.breach_at <= lost.decided_at <= (lost.at or NOW)


def test_a_champion_on_probation_has_one_as_well() -> None:
    lost = reverted(probation_world(errors=150))
    assert lost is not None
    assert lost.decided_at is not None


def after_drain(seconds_ago: float | None = 10.5, *, lost: Reverted = LOST, **more: Any) -> RolloutInput:
    """Version 2 was rejected eleven seconds ago, and its pods answered last so long ago."""
    (pod,) = CHALLENGER.pods
    answered = ago_time(seconds_ago) if seconds_ago is not None else None
    parts: dict[str, Any] = {
        "wanted": "2",
        "traffic": replace(ONE_STEADY, reverted=lost),
        "slots": (slot(BLUE, "1"), CHALLENGER),
        "known": (record("1", promoted()), record("2", KNOWN_LOST)),
        "readings": {pod.uid: (replace(sample(pod.uid, 0, 500, 150), last_answer=answered),)},
        **more,
    }
    return snapshot(**parts)


def noted(plan: Plan) -> list[dict[str, str]]:
    """What is written about version 2."""
    texts = [
        action.annotations[OUTCOME_ANNOTATION]
        for action in plan.actions
        if isinstance(action, Annotate) and action.name.endswith(V2)
    ]
    return list(json.loads(texts[-1])) if texts else []


def test_what_is_known_only_afterwards_is_noted_before_the_pods_are_removed() -> None:
    shown = after_drain()
    assert [pod.uid for pod in queries(shown, NOW)] == [CHALLENGER.pods[0].uid]
    plan = decide(shown, NOW)
    assert noted(plan) == [
        {**KNOWN_LOST.to_json(), "last_answer_at": ago(10.5)},
    ]
    assert isinstance(next(one for one in plan.actions if isinstance(one, Annotate | Delete)), Annotate)
    assert any(step.startswith("delete Deployment churn-green") for step in order(plan))
    assert plan.status is not None
    back = plan.status["lastRollback"]
    times = ("breachAt", "decidedAt", "revertedAt", "lastAnswerAt")
    assert [back[name] for name in times] == [ago(12), ago(11.1), ago(11), ago(10.5)]


def test_it_is_noted_once() -> None:
    known = replace(KNOWN_LOST, last_answer_at=ago(10.5))
    shown = after_drain(known=(record("1", promoted()), record("2", known)))
    assert not queries(shown, NOW)
    assert noted(decide(shown, NOW)) == []


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (after_drain(None), "the server does not show it"),
        (after_drain(readings={}), "the pods cannot be read any more"),
        (after_drain(slots=(slot(BLUE, "1"),)), "the pods are gone"),
        (after_drain(lost=replace(LOST, at=ago_time(5))), "they may still answer"),
        (after_drain(lost=replace(LOST, decided_at=None)), "no answer decided: a person did"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_noted_where(shown: RolloutInput, why: str) -> None:
    assert not any("last_answer_at" in told for told in noted(decide(shown, NOW))), why


def test_while_they_drain_the_pods_are_not_read() -> None:
    assert not queries(after_drain(lost=replace(LOST, at=NOW - DRAIN + timedelta(seconds=1))), NOW)

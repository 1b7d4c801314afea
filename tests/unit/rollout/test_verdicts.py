"""The four verdicts, each with every policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.snapshots import (
    NOW,
    ago_time,
    answers,
    slot,
    unreadable,
)
from tests.unit.rollout.cases import (
    FIRST_STEP,
    GREEN,
    V2,
    move_of,
    on_trial,
    said_of,
    trial_world,
    with_metrics,
)
from viridian.api import reasons
from viridian.api.samples import CodeClass

VERDICTS: dict[str, Any] = {"NoData": {}, "ProviderError": unreadable(slot(GREEN, "2", 1))}


@pytest.mark.parametrize("policy", ["Hold", "Rollback", "Proceed"])
@pytest.mark.parametrize("held", [None, 10.0, 3601.0], ids=["seen just now", "held", "held too long"])
@pytest.mark.parametrize("verdict", VERDICTS)
def test_blindness_holds_and_then_the_policy_acts(verdict: str, held: float | None, policy: str) -> None:
    whole = with_metrics(**{f"on{verdict}": policy, "maxHold": "1h"})
    trial = replace(FIRST_STEP, blind_since=ago_time(held) if held is not None else None)
    shown = trial_world(trial, whole=whole, readings=VERDICTS[verdict])
    move = move_of(shown)
    assert move.traffic is not None
    if held != 3601.0 or policy == "Hold":
        assert (move.reason, move.challenger) == (verdict, V2)
        assert said_of(shown, move).endswith("held")
        assert move.traffic.trial is not None
        assert move.traffic.trial.blind_since == (trial.blind_since or NOW)
    elif policy == "Rollback":
        assert move.reason == reasons.BLIND_TOO_LONG
        assert move.traffic.trial is None
    else:
        assert move.traffic.trial is not None
        assert move.traffic.trial.step == 1


@pytest.mark.parametrize("policy", ["Hold", "Rollback"])
def test_a_breach_acts_as_the_policy_says(policy: str) -> None:
    move = move_of(trial_world(FIRST_STEP, whole=with_metrics(onBreach=policy), errors=150))
    assert move.traffic is not None
    assert (move.traffic.trial is None) == (policy == "Rollback")
    assert move.reason == (reasons.BREACHED if policy == "Hold" else reasons.METRIC_BREACH)


def test_sight_that_comes_back_is_recorded_before_anything_else() -> None:
    move = move_of(trial_world(replace(FIRST_STEP, blind_since=ago_time(5))))
    assert move.traffic == on_trial(FIRST_STEP)


def test_a_slow_challenger_is_sent_home_by_its_quantile() -> None:
    challenger = slot(GREEN, "2", 1)
    shown = trial_world(FIRST_STEP, readings=answers(challenger, 500, seconds=0.8))
    move = move_of(shown)
    assert move.reason == reasons.METRIC_BREACH
    assert "latency-p95" in said_of(shown, move)


@pytest.mark.parametrize(("consecutive", "reverted"), [(1, True), (3, True), (5, False)])
def test_consecutive_looks_must_all_breach(consecutive: int, reverted: bool) -> None:
    """Three seconds of errors are three looks at them."""
    challenger = slot(GREEN, "2", 1)
    whole = with_metrics(metrics=[{"name": "error-rate", "max": 0.01, "consecutive": consecutive}])
    readings = {
        uid: (*healthy[:-3], *(replace(r, requests={**r.requests, **bad(r.total)}) for r in healthy[-3:]))
        for uid, healthy in answers(challenger, 500).items()
    }
    move = move_of(trial_world(replace(FIRST_STEP, since=ago_time(5)), whole=whole, readings=readings))
    assert (move.reason == reasons.METRIC_BREACH) == reverted


def bad(total: float) -> dict[Any, float]:
    return {CodeClass.SERVER_ERROR: total / 3, CodeClass.SUCCESS: total * 2 / 3}

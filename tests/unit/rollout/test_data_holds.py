"""A rollout of a version whose RetrainPolicy has found bad data since holds its weight."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.snapshots import ago_time
from tests.unit.rollout.cases import BLUE, FIRST_STEP, GREEN, V1, V2, Case, check, table, trial_world
from viridian.api import reasons
from viridian.api.samples import Idle
from viridian.rollout.data_holds import held_versions
from viridian.rollout.input import RolloutInput

BAD = "RetrainPolicy churn to have good data again (run 0a1b2c3d: age is empty)"
OVER = replace(FIRST_STEP, entered=ago_time(900), since=ago_time(900))
"""Its step has lasted long enough."""


def held(version: str, **more: Any) -> RolloutInput:
    return replace(trial_world(OVER, **more), held_versions={version: BAD})


@table(
    Case(
        "the challenger stays at its weight, and the champion serves",
        held("2"),
        reasons.DATA_QUALITY_FAILED,
        BAD,
        candidate=V2,
        champion=V1,
        trial=(0, 25),
    ),
    Case(
        "a challenger that breaches its bounds is rejected all the same",
        held("2", errors=150),
        reasons.METRIC_BREACH,
        "error-rate 30 %",
        champion=V1,
        reverted=V2,
        events=("RolledBack",),
        close=((GREEN,), Idle.CLOSE),
    ),
    Case(
        "a version that another policy made goes on",
        held("1"),
        reasons.ROLLING_OUT,
        candidate=V2,
        champion=V1,
        trial=(1, 25),
        events=("StepAdvanced",),
    ),
)
def test_what_becomes_of_the_rollout(case: Case) -> None:
    assert BLUE != GREEN
    check(case)


def policy(*, status: str = "False", reason: str = "DataQualityFailed", outcome: str = "HandedOver") -> dict[str, Any]:
    condition = {"type": "DataQuality", "status": status, "reason": reason, "message": "run 0a1b2c3d: age is empty"}
    runs = [{"id": "0a1b2c3d", "outcome": "DataQualityFailed"}, {"id": "x", "outcome": outcome, "version": "2"}]
    return {"metadata": {"name": "churn"}, "status": {"conditions": [condition], "runs": runs}}


@pytest.mark.parametrize(
    ("sentence", "policies", "expected"),
    [
        ("what it has handed over", [policy()], {"2": BAD}),
        ("a monitor that pauses automation", [policy(reason="MonitorFired")], {"2": BAD}),
        ("the data is good", [policy(status="True", reason="DataAccepted")], {}),
        ("nobody knows yet", [policy(status="Unknown", reason="DataChanged")], {}),
        ("a person has overridden it", [policy(reason="Overridden")], {}),
        ("a version that it rejected", [policy(outcome="Rejected")], {}),
        ("another policy of the model", [policy(status="True"), policy()], {"2": BAD}),
        ("no status", [{"metadata": {"name": "churn"}}], {}),
        ("odd texts", [{"status": {"conditions": "x", "runs": [1]}}], {}),
    ],
)
def test_which_versions_hold(sentence: str, policies: list[dict[str, Any]], expected: dict[str, str]) -> None:
    assert held_versions(policies) == expected, sentence

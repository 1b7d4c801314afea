"""A step does not end while a value is beyond its bound, although that may be chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.snapshots import NOW, ago_time, commands
from tests.unit.rollout.cases import FIRST_STEP, V1, V2, met, move_of, said_of, trial_world, with_metrics
from viridian.api import reasons
from viridian.rollout.decision import WaitKind
from viridian.rollout.input import RolloutInput
from viridian.rollout.policies.commands import promotion_command
from viridian.rollout.state import read
from viridian.rollout.traffic.record import Trial

LASTED = replace(FIRST_STEP, entered=ago_time(3601), since=ago_time(3600), exposure=met(3600))
ERRORS: dict[str, Any] = {"name": "error-rate", "max": 0.01}


def world(*metrics: dict[str, Any], errors: float, trial: Trial = LASTED, **more: Any) -> RolloutInput:
    """Of 180 answers."""
    return trial_world(trial, whole=with_metrics(metrics=list(metrics)), requests=180, errors=errors, **more)


@pytest.mark.parametrize("errors", [2, 3, 5])
def test_more_errors_than_the_bound_hold_the_step_and_reject_nobody(errors: int) -> None:
    shown = world(ERRORS, errors=errors)
    move = move_of(shown)
    assert move.wait is not None
    assert move.wait.kind is WaitKind.STEP_BOUND
    assert move.reason == reasons.ROLLING_OUT
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert (move.traffic.revision, move.traffic.trial.revision, move.traffic.trial.weight) == (V1, V2, 25)
    said = said_of(shown, move)
    assert f"error-rate {100 * errors / 180:.3g} % over 180 requests is above the maximum 1 %, but that may" in said
    assert said.endswith("; the step ends once the bound is kept")


@pytest.mark.parametrize("errors", [0, 1])
def test_errors_within_the_bound_end_it(errors: int) -> None:
    move = move_of(world(ERRORS, errors=errors))
    assert move.wait is None or move.wait.kind is not WaitKind.STEP_BOUND
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert len(move.traffic.trial.passed) == 1


def test_enough_of_them_reject_the_challenger() -> None:
    assert move_of(world(ERRORS, errors=20)).reason == reasons.METRIC_BREACH


def test_a_step_that_has_not_lasted_says_so_first() -> None:
    wait = move_of(world(ERRORS, errors=3, trial=replace(FIRST_STEP, since=ago_time(5)))).wait
    assert wait is not None
    assert wait.kind is WaitKind.STEP_DURATION


def test_a_guard_rail_holds_nothing() -> None:
    move = move_of(world({**ERRORS, "guardRail": True}, errors=3))
    assert move.traffic is not None
    assert move.traffic.trial is not None
    assert len(move.traffic.trial.passed) == 1


def test_the_bound_with_the_most_evidence_is_named() -> None:
    shown = world({**ERRORS, "max": 0.02}, {"name": "success-rate", "min": 0.99}, errors=5)
    assert "success-rate 97.2 % over 180 requests is below the minimum 99 %" in said_of(shown, move_of(shown))


def test_a_person_promotes_it_all_the_same() -> None:
    shown = world(ERRORS, errors=3, annotations=commands(promote=V2))
    assert shown.spec is not None
    assert promotion_command(read(shown, shown.spec, NOW)) is not None
    wait = move_of(shown).wait
    assert wait is None or wait.kind is not WaitKind.STEP_BOUND

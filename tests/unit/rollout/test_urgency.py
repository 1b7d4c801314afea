"""Whose next look may not wait for a worker."""

from __future__ import annotations

import pytest

from tests.support.snapshots import NOW, slot, snapshot
from tests.unit.rollout.cases import (
    BLUE,
    FIRST_STEP,
    HEALTHY_BEFORE,
    ONE_STEADY,
    TWO_WARM,
    probation_world,
    trial_world,
)
from viridian.core.urgency import Urgency
from viridian.rollout.decide import decide
from viridian.rollout.input import RolloutInput
from viridian.rollout.urgency import urgency_in


@pytest.mark.parametrize(
    ("sentence", "shown", "urgency"),
    [
        ("nobody serves yet", snapshot(wanted="1"), Urgency.UNSETTLED),
        ("users meet a challenger", trial_world(FIRST_STEP), Urgency.AT_STAKE),
        ("users meet a champion in probation", probation_world(), Urgency.AT_STAKE),
        (
            "the challenger is being deployed",
            snapshot(traffic=ONE_STEADY, slots=(slot(BLUE, "1"),), **HEALTHY_BEFORE),
            Urgency.UNSETTLED,
        ),
        ("the champion serves and nothing is expected", snapshot(**TWO_WARM), Urgency.IDLE),
        ("the champion's pods are gone", snapshot(**{**TWO_WARM, "slots": ()}), Urgency.UNSETTLED),
    ],
)
def test_urgency(sentence: str, shown: RolloutInput, urgency: Urgency) -> None:
    plan = decide(shown, NOW)
    assert plan.urgency is urgency, sentence
    assert plan.status is not None
    assert urgency_in(plan.status) is urgency, f"after a restart: {sentence}"

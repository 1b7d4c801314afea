"""Metrics that are known with a standard error: verdicts, and how often chance alone would reject."""

from __future__ import annotations

import math
from random import Random

import pytest

from viridian.api.performance import Classified, PerformanceMetric
from viridian.judgement.canary import CanaryVerdict
from viridian.judgement.estimates import LEAST_ROWS, Estimates, Shift, judge_estimates, judge_shift, log_beyond
from viridian.judgement.figures import EffectSize
from viridian.judgement.metrics import Measured, measure
from viridian.judgement.split_test import Margin
from viridian.judgement.values import ValueBound

PASS, BREACH, NO_DATA = CanaryVerdict.PASS, CanaryVerdict.BREACH, CanaryVerdict.NO_DATA
AT_LEAST = ValueBound("right", min=0.8, higher_is_better=True)
MARGIN = ValueBound("right", margin=Margin(absolute=0.02), higher_is_better=True)
AT_MOST = ValueBound("loss", max=0.5, margin=Margin(relative=0.1))
SHIFT = ValueBound("prediction-shift", max=0.2, min_samples=100)


def accuracy(right: int, rows: int) -> Measured:
    wrong = rows - right
    confusion = ((right // 2, wrong // 2), (wrong - wrong // 2, right - right // 2))
    found = measure(PerformanceMetric.ACCURACY, Classified(classes=("no", "yes"), confusion=confusion))
    assert found is not None
    return found


def known(ours: Measured, theirs: Measured | None = None, *, compared: bool = False) -> Estimates:
    return Estimates(int(ours.rows), ours, theirs, compared or theirs is not None)


@pytest.mark.parametrize(
    ("sentence", "bound", "estimates", "verdict", "message"),
    [
        (
            "clearly above",
            AT_LEAST,
            known(accuracy(900, 1000)),
            PASS,
            "right 0.9 over 1000 rows is not proved to break",
        ),
        (
            "a little below, by chance",
            AT_LEAST,
            known(accuracy(795, 1000)),
            PASS,
            "right 0.795 over 1000 rows is below the minimum 0.8, but that may be chance",
        ),
        (
            "clearly below",
            AT_LEAST,
            known(accuracy(700, 1000)),
            BREACH,
            "right 0.7 over 1000 rows is below the minimum",
        ),
        ("too few rows", AT_LEAST, known(accuracy(10, 99)), NO_DATA, "right: 99 of the 100 rows with an outcome"),
        ("no row", AT_LEAST, Estimates(0, None), NO_DATA, "right: 0 of the 100 rows with an outcome"),
        (
            "too few of one kind",
            AT_LEAST,
            known(Measured(0.5, 0.1, 1000, rarer=19)),
            NO_DATA,
            "too few rows of one kind, such as positive ones",
        ),
        ("as good as the champion", MARGIN, known(accuracy(900, 1000), accuracy(900, 1000)), PASS, "is not proved"),
        (
            "worse than the champion",
            MARGIN,
            known(accuracy(800, 1000), accuracy(900, 1000)),
            BREACH,
            "right 0.8 over 1000 rows is worse than the champion's 0.9 by more than the margin",
        ),
        ("a champion without rows", MARGIN, known(accuracy(800, 1000), compared=True), PASS, "is not proved to break"),
        (
            "lower is better",
            AT_MOST,
            known(Measured(0.6, 0.01, 1000), Measured(0.4, 0.01, 1000)),
            BREACH,
            "loss 0.6 over 1000 rows is above the maximum 0.5",
        ),
    ],
)
def test_a_verdict_and_its_sentence(
    sentence: str, bound: ValueBound, estimates: Estimates, verdict: CanaryVerdict, message: str
) -> None:
    found = judge_estimates(bound, estimates, evidence_needed=100)
    assert found.verdict is verdict, sentence
    assert message in found.message
    assert found.beyond is ("by chance" in sentence)


def test_a_step_waits_for_evidence_that_the_margin_is_kept() -> None:
    few = judge_estimates(MARGIN, known(accuracy(180, 200), accuracy(180, 200)), evidence_needed=100)
    many = judge_estimates(MARGIN, known(accuracy(18000, 20000), accuracy(18000, 20000)), evidence_needed=100)
    nobody = judge_estimates(MARGIN, known(accuracy(180, 200), compared=True), evidence_needed=100)
    alone = judge_estimates(MARGIN, known(accuracy(180, 200)), evidence_needed=100)
    assert few.no_worse is not None
    assert many.no_worse is not None
    assert few.no_worse < 20 < many.no_worse
    assert (nobody.no_worse, alone.no_worse) == (1.0, None)


def test_a_bound_that_the_champion_breaks_as_well_is_a_shared_breach() -> None:
    both = known(Measured(0.6, 0.01, 1000), Measured(0.61, 0.01, 1000))
    worse = known(Measured(0.9, 0.01, 1000), Measured(0.61, 0.01, 1000))
    assert judge_estimates(AT_MOST, both, evidence_needed=100).champion_too
    assert not judge_estimates(AT_MOST, worse, evidence_needed=100).champion_too


def _looks(random: Random, chance: float, rows: int, apart: int) -> list[float]:
    """The evidence against 80 %, looked at after every few rows."""
    found, right = [], 0
    for row in range(1, rows + 1):
        right += random.random() < chance
        if row >= LEAST_ROWS and row % apart == 0:
            found.append(log_beyond(AT_LEAST, accuracy(right, row)))
    return found


def test_a_metric_exactly_at_its_bound_is_rejected_in_one_of_a_hundred_trials_at_most() -> None:
    random = Random(11)
    rejected = sum(max(_looks(random, 0.8, 2000, 10)) >= math.log(100) for _ in range(500))
    assert rejected <= 5


def test_a_drop_of_ten_points_is_found_within_a_few_hundred_rows() -> None:
    random = Random(12)
    found = sum(max(_looks(random, 0.7, 600, 10)) >= math.log(100) for _ in range(100))
    assert found >= 90


@pytest.mark.parametrize(
    ("sentence", "shift", "verdict", "message"),
    [
        (
            "near",
            Shift(500, EffectSize(0.1, 0.02)),
            PASS,
            "prediction-shift 0.1 (at least 0.02) is not proved to be above",
        ),
        ("far, perhaps by chance", Shift(500, EffectSize(0.3, 0.15)), PASS, "is not proved to be above 0.2"),
        (
            "far",
            Shift(500, EffectSize(0.4, 0.25)),
            BREACH,
            "prediction-shift 0.4 (at least 0.25) is above the maximum 0.2",
        ),
        ("few", Shift(99, EffectSize(0.9, 0.5)), NO_DATA, "prediction-shift: 99 of the 100 predictions"),
        ("none", Shift(0, None), NO_DATA, "prediction-shift: 0 of the 100 predictions"),
    ],
)
def test_a_shift_of_the_predictions(sentence: str, shift: Shift, verdict: CanaryVerdict, message: str) -> None:
    found = judge_shift(SHIFT, shift)
    assert found.verdict is verdict, sentence
    assert message in found.message

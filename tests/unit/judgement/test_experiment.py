"""Verdicts of experiments: what is proved, by which interval, and how often chance alone proves it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from viridian.api.experiment_spec import ExperimentVerdict
from viridian.api.performance import Classified, Regressed
from viridian.judgement.experiment import ComparedSpan, EffectInterval, effect_of, thompson_share, verdict_of
from viridian.judgement.metrics import Measured, mean_outcome

LOOKS, ROWS, EFFECT = 60, 200, 0.05


def share(hits: int, rows: int) -> Measured:
    found = mean_outcome(Classified(classes=("no", "yes"), confusion=((rows - hits, 0), (0, hits))))
    assert found is not None
    return found


def compared(ours: Measured, theirs: Measured, **more: Any) -> EffectInterval:
    whole = ComparedSpan(ours, theirs)
    given = {"higher_is_better": True, "scale": EFFECT, "confidence": 0.95, **more}
    found = effect_of(whole, [whole], **given)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("sentence", "ours", "theirs", "verdict"),
    [
        ("much better", share(1500, 5000), share(1000, 5000), ExperimentVerdict.BETTER),
        ("much worse", share(1000, 5000), share(1500, 5000), ExperimentVerdict.WORSE),
        ("alike, on many rows", share(4000, 20000), share(4010, 20000), ExperimentVerdict.NO_DIFFERENCE),
        ("better for sure, by less than what matters", share(52000, 100000), share(50000, 100000), "NoDifference"),
        ("a little better, on few rows", share(320, 1000), share(300, 1000), None),
        ("too few rows of the challenger", share(450, 900), share(1000, 5000), None),
    ],
)
def test_a_verdict_is_what_the_interval_proves(
    sentence: str, ours: Measured, theirs: Measured, verdict: ExperimentVerdict | None
) -> None:
    assert verdict_of(compared(ours, theirs), smallest_effect=EFFECT, min_samples=1000) == verdict, sentence


def test_of_a_loss_the_lower_one_is_better() -> None:
    found = compared(share(1000, 5000), share(1500, 5000), higher_is_better=False)
    assert found.effect == pytest.approx(0.1)
    assert verdict_of(found, smallest_effect=EFFECT, min_samples=1000) is ExperimentVerdict.BETTER


def test_more_confidence_makes_the_interval_wider() -> None:
    usual, surer = (compared(share(320, 1000), share(300, 1000), confidence=sure) for sure in (0.95, 0.999))
    assert surer.low < usual.low < usual.effect == surer.effect < usual.high < surer.high


def test_numbers_are_compared_by_their_mean() -> None:
    def outcomes(values: list[float]) -> Measured:
        squares = sum(value * value for value in values)
        sums = {"error": 0.0, "absolute_error": 0.0, "squared_error": 0.0, "fourth_power_error": 0.0}
        found = mean_outcome(Regressed(rows=len(values), outcome=sum(values), squared_outcome=squares, **sums))
        assert found is not None
        return found

    found = compared(outcomes([3.0, 5.0] * 500), outcomes([2.0, 4.0] * 500))
    assert found.effect == pytest.approx(1.0)
    assert found.variance == pytest.approx(2 / 1000)


def test_three_classes_have_no_mean() -> None:
    assert mean_outcome(Classified(classes=("a", "b", "c"), confusion=((1, 0, 0), (0, 1, 0), (0, 0, 1)))) is None


def test_a_good_hour_counts_for_neither() -> None:
    """The challenger had 10 % of a bad hour and 90 % of a good one: pooled, it looks better by far."""
    spans = [
        ComparedSpan(share(20, 200), share(180, 1800)),
        ComparedSpan(share(900, 1800), share(100, 200)),
    ]
    whole = ComparedSpan(share(920, 2000), share(280, 2000))
    found = effect_of(whole, spans, higher_is_better=True, scale=EFFECT, confidence=0.95)
    pooled = compared(*(one for one in (whole.challenger, whole.champion) if one is not None))
    assert found is not None
    assert found.effect == pytest.approx(0.0)
    assert found.low < 0 < found.high
    assert pooled.low > 0.25


def test_a_span_without_rows_of_one_of_them_says_nothing() -> None:
    spans = [ComparedSpan(share(500, 1000), share(400, 1000)), ComparedSpan(share(900, 900), None)]
    whole = ComparedSpan(share(1400, 1900), share(400, 1000))
    found = effect_of(whole, spans, higher_is_better=True, scale=EFFECT, confidence=0.95)
    assert found is not None
    assert found.effect == pytest.approx(0.1)
    assert effect_of(whole, spans[1:], higher_is_better=True, scale=EFFECT, confidence=0.95) is None


def ended(random: np.random.Generator, ours: float, theirs: float) -> ExperimentVerdict | None:
    """The verdict of a simulated experiment of many looks, each with as many rows of both."""
    hits = [0, 0]
    for look in range(1, LOOKS + 1):
        for arm, chance in enumerate((ours, theirs)):
            hits[arm] += int(random.binomial(ROWS, chance))
        found = compared(share(hits[0], look * ROWS), share(hits[1], look * ROWS))
        if verdict := verdict_of(found, smallest_effect=EFFECT, min_samples=400):
            return verdict
    return None


def test_chance_alone_proves_a_difference_as_rarely_as_is_promised() -> None:
    random = np.random.default_rng(3)
    found = [ended(random, 0.3, 0.3) for _ in range(100)]
    false = sum(one in (ExperimentVerdict.BETTER, ExperimentVerdict.WORSE) for one in found)
    assert false <= 5
    assert found.count(ExperimentVerdict.NO_DIFFERENCE) >= 90


def test_the_effect_of_interest_is_found() -> None:
    random = np.random.default_rng(3)
    assert [ended(random, 0.35, 0.3) for _ in range(40)].count(ExperimentVerdict.BETTER) >= 36
    assert [ended(random, 0.3, 0.35) for _ in range(40)].count(ExperimentVerdict.WORSE) >= 36


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, 50),
        (compared(share(300, 1000), share(300, 1000)), 50),
        (compared(share(320, 1000), share(300, 1000)), 81),
        (compared(share(900, 1000), share(300, 1000)), 90),
        (compared(share(300, 1000), share(900, 1000)), 10),
    ],
)
def test_the_share_is_the_chance_to_be_better_within_its_floor(found: EffectInterval | None, expected: int) -> None:
    assert thompson_share(found, scale=EFFECT, floor=10) == expected


def test_the_share_is_what_draws_come_to() -> None:
    found = compared(share(310, 1000), share(300, 1000))
    kept = found.effect * EFFECT**2 / (EFFECT**2 + found.variance)
    error = math.sqrt(found.variance * EFFECT**2 / (EFFECT**2 + found.variance))
    better = np.mean(np.random.default_rng(1).normal(kept, error, 20_000) > 0)
    assert thompson_share(found, scale=EFFECT, floor=1) == pytest.approx(100 * better, abs=2)

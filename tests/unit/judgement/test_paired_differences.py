"""Many slices, worn holdouts, and bounds at another confidence."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from viridian.judgement.paired_differences import Gain, holm, quantile, worn_confidence

P_VALUES = st.lists(st.floats(0, 1), max_size=8)


@given(P_VALUES, st.floats(0.001, 0.2))
def test_holm_rejects_what_its_adjusted_p_values_say(p_values: list[float], alpha: float) -> None:
    """Adjusted: the greatest of (m - rank) * p so far, as R's p.adjust has it."""
    expected, greatest = [False] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        greatest = max(greatest, p_values[place] * (len(p_values) - rank))
        expected[place] = greatest <= alpha
    found = holm(p_values, alpha)
    close = any(math.isclose(p * k, alpha, rel_tol=1e-9) for p in p_values for k in range(1, 9))
    assert close or list(found) == expected


@given(P_VALUES, st.floats(0.001, 0.2))
def test_holm_rejects_at_least_what_bonferroni_does_and_nothing_above_alpha(
    p_values: list[float], alpha: float
) -> None:
    for p_value, rejected in zip(p_values, holm(p_values, alpha), strict=True):
        assert rejected or p_value > alpha / len(p_values)
        assert not rejected or p_value <= alpha


@given(P_VALUES, st.integers(0, 50))
def test_the_smallest_p_values_alone_give_the_same_as_all_of_them(p_values: list[float], others: int) -> None:
    whole = [*sorted(p_values), *[1.0] * others]
    assert holm(whole, 0.05)[: len(p_values)] == holm(sorted(p_values), 0.05, len(whole))


@pytest.mark.parametrize(("asked", "confidence"), [(-3, 0.975), (0, 0.975), (1, 0.975), (2, 0.9875), (5, 0.995)])
def test_a_worn_holdout_is_asked_with_more_confidence(asked: int, confidence: float) -> None:
    assert worn_confidence(0.975, asked) == pytest.approx(confidence)


def test_no_number_of_questions_makes_a_confidence_certain() -> None:
    assert quantile(worn_confidence(0.9999, 10**40)) < 7


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.8, 0.999), st.floats(0.8, 0.999))
def test_a_bound_at_another_confidence_is_that_of_a_normal_estimate(
    value: float, error: float, reported: float, wanted: float
) -> None:
    def bounds(confidence: float) -> Gain:
        half = NormalDist().inv_cdf(confidence) * error
        return Gain(value, value - half, value + half)

    moved, expected = bounds(reported).at(wanted, reported=reported), bounds(wanted)
    assert moved.low == pytest.approx(expected.low, abs=1e-9)
    assert moved.high == pytest.approx(expected.high, abs=1e-9)


def test_quantiles_are_those_of_the_normal_distribution() -> None:
    assert quantile(0.975) == pytest.approx(stats.norm.ppf(0.975))


@given(st.floats(1e-4, 0.1), st.floats(0.0, 0.1), st.floats(0.8, 0.999))
def test_the_advised_margin_lets_an_equal_candidate_pass_in_four_of_five_cases(
    error: float, margin: float, confidence: float
) -> None:
    half = quantile(confidence) * error
    gain = Gain(0.0, -half, half)
    advised = gain.margin_for_an_equal_one(confidence)
    assert gain.chance_of_an_equal_one(advised, confidence) == pytest.approx(0.8)
    chance = stats.norm.sf(half - margin, scale=error)
    assert gain.chance_of_an_equal_one(margin, confidence) == pytest.approx(chance, abs=1e-9)

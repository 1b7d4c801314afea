"""The slope of a metric over windows and its standard error."""

from __future__ import annotations

import random
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from viridian.judgement.metrics import Measured
from viridian.judgement.trend import trend


def test_a_straight_line_is_found() -> None:
    found = trend([(x, Measured(0.9 - 0.01 * x, 0.002, 500)) for x in range(10)])
    assert found is not None
    assert found.slope == pytest.approx(-0.01)


def test_missing_windows_keep_their_place() -> None:
    found = trend([(x, Measured(0.9 - 0.01 * x, 0.002, 500)) for x in (0, 1, 5, 9)])
    assert found is not None
    assert found.slope == pytest.approx(-0.01)


def test_a_window_with_few_rows_counts_little() -> None:
    points = [(x, Measured(0.9, 0.002, 5000)) for x in range(9)]
    found = trend([*points, (9, Measured(0.5, 0.5, 3))])
    assert found is not None
    assert abs(found.slope) < 1e-3


def test_the_standard_error_is_that_of_repeated_samples() -> None:
    chance = random.Random(11)
    found = [
        trend([(x, Measured(chance.gauss(0.8 - 0.004 * x, 0.02), 0.02, 400)) for x in range(14)]) for _ in range(300)
    ]
    slopes = [one.slope for one in found if one is not None]
    assert fmean(slopes) == pytest.approx(-0.004, abs=3e-4)
    told = fmean(one.error for one in found if one is not None)
    assert 0.9 < told / stdev(slopes) < 1.4, "never too small; larger where the windows happen to scatter"


def test_scatter_that_the_rows_do_not_explain_widens_the_error() -> None:
    calm = trend([(x, Measured(0.8, 0.01, 400)) for x in range(10)])
    wild = trend([(x, Measured(0.8 + (-1) ** x * 0.1, 0.01, 400)) for x in range(10)])
    assert calm is not None
    assert wild is not None
    assert wild.error > 5 * calm.error


@pytest.mark.parametrize("windows", [4, 7, 14])
@pytest.mark.parametrize("known", [0.0, 0.002, 0.02], ids="standard error {}".format)
def test_windows_that_scatter_without_a_trend_have_none_beyond_chance(windows: int, known: float) -> None:
    """However few there are, and whether or not the rows explain the scatter of 0.02."""
    chance = random.Random(13)
    found = [trend([(x, Measured(chance.gauss(0.8, 0.02), known, 400)) for x in range(windows)]) for _ in range(2000)]
    exceeds = sum(one is not None and abs(one.slope) > one.allowance for one in found)
    # Two sides of 0.00135 each are 5.4 of 2,000.
    assert exceeds <= 13


def test_the_allowance_of_few_windows_is_that_of_student() -> None:
    points = [(x, Measured(0.8 + 0.01 * (-1) ** x, 0.0, 400)) for x in range(14)]
    for number in (5, 6, 8, 14):
        found = trend(points[:number])
        assert found is not None
        exact = stats.t.isf(stats.norm.sf(3), number - 2)
        assert found.allowance / found.error == pytest.approx(exact, rel=0.03)


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1), st.floats(0, 1)), max_size=20, unique_by=lambda p: p[0]))
def test_any_points(points: list[tuple[int, float, float]]) -> None:
    found = trend([(x, Measured(value, error, 100)) for x, value, error in points])
    assert (found is None) == (len(points) < 3)
    assert found is None or found.error >= 0

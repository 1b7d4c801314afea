"""The score of a version by hand: relative gains over the champion, weighted."""

from __future__ import annotations

import math

import pytest

from viridian.judgement.version_scores import WeightedMetric, median_slope, score

CHAMPION = {"revenue": 100.0, "satisfaction": 4.0, "fpr": 0.10}
REVENUE, SATISFACTION = WeightedMetric("revenue", 1.0, False), WeightedMetric("satisfaction", 3.0, False)
ERRORS = WeightedMetric("fpr", 1.0, True)


@pytest.mark.parametrize(
    ("sentence", "metrics", "version", "expected"),
    [
        ("the champion itself", [REVENUE, SATISFACTION], CHAMPION, 0.0),
        ("2 % less revenue, 5 % more satisfaction, which counts three times", [REVENUE, SATISFACTION],
         {"revenue": 98.0, "satisfaction": 4.2}, (-0.02 + 3 * 0.05) / 4),
        ("less of an error is better", [ERRORS], {"fpr": 0.08}, 0.2),
        ("a gain within the margin counts as none", [ERRORS, REVENUE], {"fpr": 0.095, "revenue": 90.0}, -0.05),
        ("exactly the margin is within it", [ERRORS], {"fpr": 0.11}, 0.0),
        ("a metric without weight is not looked at", [REVENUE, WeightedMetric("other", 0.0, False)],
         {"revenue": 110.0}, 0.1),
        ("a number that is missing", [REVENUE, SATISFACTION], {"revenue": 110.0}, None),
        ("a number that is none", [REVENUE], {"revenue": math.nan}, None),
        ("nothing counts", [WeightedMetric("revenue", 0.0, False)], {"revenue": 110.0}, None),
        ("no metric", [], {"revenue": 110.0}, None),
    ],
)  # fmt: skip
def test_score(sentence: str, metrics: list[WeightedMetric], version: dict[str, float], expected: float | None) -> None:
    found = score(metrics, version, CHAMPION, margin=0.01)
    assert found == (None if expected is None else pytest.approx(expected)), sentence


def test_there_is_no_share_of_nothing() -> None:
    assert score([REVENUE], {"revenue": 1.0}, {"revenue": 0.0}, margin=0.0) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([1.0, 2.0], None),
        ([1.0, 2.0, 3.0], 1.0),
        ([0.0, 0.0, 0.0, 100.0], 100 / 6),
        ([0.0, 0.0, 0.0, 0.0, 100.0], 0.0),
        ([3.0, 2.0, 1.0, 0.0], -1.0),
    ],
)
def test_the_trend_is_the_median_of_all_slopes(values: list[float], expected: float | None) -> None:
    found = median_slope(values)
    assert found == (None if expected is None else pytest.approx(expected))

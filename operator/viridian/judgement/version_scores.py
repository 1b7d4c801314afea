"""How good the known versions of a model are for its objective, on one holdout.

A metric counts by its gain over the champion, as a share of the champion's own number: revenue and satisfaction have
different units, their shares have none. A gain within the margin counts as none, as it does in the gate. The score of a
version is the mean of its gains, each weighted as the objective weighs its metric. So the champion's score is 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

MIN_POINTS: Final = 3
"""Fewer versions make no trend."""


@dataclass(frozen=True, slots=True)
class WeightedMetric:
    """A metric, and how much it counts."""

    name: str
    weight: float
    lower_is_better: bool


def score(
    metrics: Sequence[WeightedMetric], version: Mapping[str, float], champion: Mapping[str, float], margin: float
) -> float | None:
    """The weighted mean of the relative gains of a version over the champion, positive where it is better.

    `margin` is in the unit of each metric. None where a number is missing, where the champion's is 0, and where no
    metric has a weight.
    """
    counted = [metric for metric in metrics if metric.weight > 0]
    gains = [_relative_gain(metric, version, champion, margin) for metric in counted]
    known = [gain for gain in gains if gain is not None]
    if not counted or len(known) < len(counted):
        return None
    weights = [metric.weight for metric in counted]
    return sum(weight * gain for weight, gain in zip(weights, known, strict=True)) / sum(weights)


def _relative_gain(
    metric: WeightedMetric, version: Mapping[str, float], champion: Mapping[str, float], margin: float
) -> float | None:
    ours, theirs = version.get(metric.name), champion.get(metric.name)
    if ours is None or theirs is None or theirs == 0 or not (math.isfinite(ours) and math.isfinite(theirs)):
        return None
    gain = theirs - ours if metric.lower_is_better else ours - theirs
    within = abs(gain) < margin or math.isclose(abs(gain), margin)
    return 0.0 if within else gain / abs(theirs)


def median_slope(values: Sequence[float]) -> float | None:
    """The trend of a series from one value to the next: the median of the slopes of all pairs.

    One value that is far off hardly moves it. None for fewer than three values. P. K. Sen, "Estimates of the regression
    coefficient based on Kendall's tau", Journal of the American Statistical Association 63, 1968.
    """
    if len(values) < MIN_POINTS:
        return None
    slopes = ((later - earlier) / (b - a) for (a, earlier), (b, later) in combinations(enumerate(values), 2))
    return median(slopes)

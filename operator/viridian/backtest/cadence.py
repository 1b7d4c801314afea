"""How often it pays to train again: the advice, with all that it is made of.

Between two runs the metric falls by `decay` a day. So an interval of T days costs C/T for runs and v·decay·T/2 for lost
performance, each day. The sum is least at T = sqrt(2C / (decay·v)). That is the economic order quantity of F. W. Harris
("How many parts to make at once", Factory, The Magazine of Management 10, 1913), with lost performance as the stock.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from viridian.api.performance import PerformanceMetric
from viridian.backtest.history import History, WindowIndex
from viridian.judgement.figures import SIGMAS
from viridian.judgement.metrics import LOWER_IS_BETTER, measure
from viridian.judgement.trend import Trend, trend

DAY_SECONDS: Final = 86_400.0
MIN_LABELS: Final = 100
"""Windows with fewer mature labels say nothing about the decay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecayRate:
    """How fast the champion gets worse."""

    metric: PerformanceMetric
    per_day: float
    """In the unit of the metric; not negative where it gets worse."""
    error: float
    """Standard error of it."""
    windows: int
    versions: int

    @property
    def by_chance(self) -> bool:
        """Whether chance alone explains it."""
        return self.per_day <= SIGMAS * self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """The advice, and what it is made of."""

    decay: DecayRate | None
    """None where the windows do not show it."""
    cost_of_run: float
    value_of_point: float
    """What one whole unit of the metric, such as an AUC of 1 instead of 0, is worth a day."""
    days: float | None
    """The interval; None where there is no reason to train by the calendar."""
    cost_per_day: float | None
    """Of runs and lost performance together, at that interval."""
    sentence: str


def decay_rate(history: History, metric: PerformanceMetric) -> DecayRate | None:
    """The decay over all versions: the mean of their trends, each weighted by its own standard error.

    A promotion is no decay, so the trend of a version is of its own windows alone; each needs three of them.
    """
    per_day = DAY_SECONDS / history.seconds
    found = list(_trends(history, metric))
    if not found:
        return None
    weights = [1 / max(one.error, 1e-12) ** 2 for one, _ in found]
    slope = sum(weight * one.slope for weight, (one, _) in zip(weights, found, strict=True)) / sum(weights)
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    return DecayRate(
        metric=metric,
        per_day=sign * slope * per_day,
        error=per_day / math.sqrt(sum(weights)),
        windows=sum(windows for _, windows in found),
        versions=len(found),
    )


def advise(decay: DecayRate | None, cost_of_run: float, value_of_point: float) -> Cadence:
    """The interval between runs. Both amounts are above 0, in one unit of money."""
    days, cost, sentence = None, None, ""
    if decay is None:
        sentence = f"no version has three windows with {MIN_LABELS} mature labels each, so its decay is not known"
    elif decay.by_chance:
        sentence = (
            f"{decay.metric} changes by {-decay.per_day:+.2g} a day (standard error {decay.error:.2g}), which chance "
            f"explains: train when a monitor fires, and by the calendar only as a floor"
        )
    else:
        days = math.sqrt(2 * cost_of_run / (decay.per_day * value_of_point))
        cost = cost_of_run / days + value_of_point * decay.per_day * days / 2
        sentence = (
            f"train about every {days:.3g} days: sqrt(2 x {cost_of_run:g} a run / ({decay.per_day:.3g} of "
            f"{decay.metric} a day x {value_of_point:g} a point)); runs and lost performance then cost {cost:.3g} a day"
        )
    return Cadence(
        decay=decay,
        cost_of_run=cost_of_run,
        value_of_point=value_of_point,
        days=days,
        cost_per_day=cost,
        sentence=sentence,
    )


def _trends(history: History, metric: PerformanceMetric) -> Iterator[tuple[Trend, int]]:
    """The trend of each version and its windows."""
    index = WindowIndex(history.windows)
    points = defaultdict(list)
    for start in index.starts():
        window = index.champion(start)
        known = measure(metric, window.performance.joined)
        if known is not None and known.reliable and window.performance.labelled >= MIN_LABELS:
            points[window.revision].append((round(start / history.seconds), known))
    for known_points in points.values():
        found = trend(known_points)
        if found is not None:
            yield found, len(known_points)

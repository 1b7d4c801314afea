"""What the metrics of a spec ask for, in the terms of the judge."""

from __future__ import annotations

from typing import Final

from viridian.api.canary_metric import Metric
from viridian.judgement.canary import OPEN, SUCCESS_RATE, Bound
from viridian.judgement.metrics import LOWER_IS_BETTER
from viridian.judgement.split_test import Margin
from viridian.judgement.values import ValueBound

NO_MARGIN: Final = Margin()


def bound_of(metric: Metric) -> Bound:
    limit = metric.min if metric.name == SUCCESS_RATE else metric.max
    return Bound(metric.name, limit if limit is not None else OPEN[metric.name], metric.min_samples, metric.consecutive)


def margin_of(metric: Metric) -> Margin:
    """How much worse than the champion still counts as no worse; none at all where the spec names no margin."""
    given = metric.worse_than_champion_by
    return Margin(given.relative or 0.0, given.absolute or 0.0) if given is not None else NO_MARGIN


def value_bound(metric: Metric) -> ValueBound:
    """The bound of a metric that the pods do not count."""
    return ValueBound(
        metric.name,
        min=metric.min,
        max=metric.max,
        margin=margin_of(metric) if metric.worse_than_champion_by is not None else None,
        higher_is_better=_higher_is_better(metric),
        min_samples=metric.min_samples,
        consecutive=metric.consecutive,
    )


def _higher_is_better(metric: Metric) -> bool:
    return metric.performance not in LOWER_IS_BETTER if metric.performance is not None else metric.higher_is_better

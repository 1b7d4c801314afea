"""The evidence of a candidate before its gate: differences to the champion on one holdout, with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from viridian.api.evaluation import HoldoutEvaluation, MetricComparison
from viridian.api.metric_names import lower_is_better
from viridian.dashboard.views.moments import number

_EDGE: Final = 6.0
"""Percent of the picture on both sides that no interval reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRow:
    """One metric, or one metric on one slice; positions are in percent of the picture."""

    name: str
    rows: int
    candidate: str
    champion: str
    interval: str
    low: float
    middle: float
    high: float
    zero: float
    kind: str
    """good: better beyond the noise; bad: worse beyond it; neutral: neither."""
    word: str
    """The same for those who do not see colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """The evidence of one run."""

    rows: int
    confidence: str
    metrics: Sequence[IntervalRow]
    slices: Sequence[IntervalRow]
    slices_tested: int
    problems: Sequence[str]


def gate_view(evaluation: HoldoutEvaluation) -> GateView:
    """Metrics in their order; slices with the largest harm first, as they are reported."""
    return GateView(
        rows=evaluation.rows,
        confidence=f"{2 * evaluation.confidence - 1:.3g}",
        metrics=list(_rows({name: (one, evaluation.rows) for name, one in evaluation.metrics.items()})),
        slices=list(
            _rows(
                {f"{one.metric}, {one.column} = {one.value}": (one.compared, one.rows) for one in evaluation.slices},
                {f"{one.metric}, {one.column} = {one.value}": one.metric for one in evaluation.slices},
            )
        ),
        slices_tested=evaluation.slices_tested,
        problems=evaluation.problems,
    )


def _rows(
    compared: Mapping[str, tuple[MetricComparison, int]], metrics: Mapping[str, str] | None = None
) -> Iterator[IntervalRow]:
    """Each on a scale of its own, since metrics have units of their own; zero is always in it."""
    for name, (one, rows) in compared.items():
        difference, low, high = one.difference, one.low, one.high
        if difference is None or low is None or high is None:
            continue
        left, right = min(low, 0.0), max(high, 0.0)
        span = (right - left) or 1.0

        def at(value: float, left: float = left, span: float = span) -> float:
            return round(_EDGE + (value - left) / span * (100 - 2 * _EDGE), 2)

        kind, word = _judged(low, high, (metrics or {}).get(name, name))
        yield IntervalRow(
            name=name,
            rows=rows,
            candidate=number(one.candidate),
            champion=number(one.champion),
            interval=f"{difference:+.3g} ({low:+.3g} to {high:+.3g})",
            low=at(low),
            middle=at(difference),
            high=at(high),
            zero=at(0.0),
            kind=kind,
            word=word,
        )


def _judged(low: float, high: float, metric: str) -> tuple[str, str]:
    if low <= 0 <= high:
        return "neutral", "within noise"
    better = (low > 0) is not lower_is_better(metric)
    return ("good", "better") if better else ("bad", "worse")

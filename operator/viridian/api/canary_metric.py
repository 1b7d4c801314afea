"""What a challenger is judged by: a metric with its bound, from the pods or from a query."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from viridian.api import cel_metrics
from viridian.api.champion_margin import ChampionMargin
from viridian.api.gate_spec import Direction
from viridian.api.performance import PerformanceMetric
from viridian.api.schema import Rule, Struct, doc

MAX_METRICS: Final = 16


class Metric(Struct, frozen=True, kw_only=True):
    """One bound that the challenger must keep: absolute, beside the champion, or both."""

    rules: ClassVar[tuple[Rule, ...]] = (
        cel_metrics.ONE_SOURCE_OF_METRIC,
        cel_metrics.ONE_BOUND,
        cel_metrics.SHARES,
        cel_metrics.BREACHABLE,
        cel_metrics.SECONDS,
        cel_metrics.MARGIN_OF_SHARES,
        cel_metrics.MARGIN_OF_SUCCESS,
        cel_metrics.MARGIN_OF_LATENCY,
        cel_metrics.BOUND_OF_VALUES,
        cel_metrics.BOUNDS_OF_VALUES_IN_ORDER,
        cel_metrics.MARGIN_OF_VALUES,
        cel_metrics.DIRECTION_OF_VALUES,
        cel_metrics.DIRECTION_OF_MARGIN,
        cel_metrics.WEIGHT_OF_EVIDENCE,
        cel_metrics.SAMPLES_OF_VALUES,
        cel_metrics.SHIFT,
        cel_metrics.DISAGREEMENT_BOUND,
        cel_metrics.TOLERANCE,
        cel_metrics.BIAS,
        cel_metrics.ONE_VALUE_AT_A_TIME,
    )

    name: Annotated[
        str,
        doc(
            "Counted by the pods: error-rate (share of 5xx answers) or success-rate (share of the others), from 0 to "
            "1; or latency-p50, latency-p90, latency-p95, latency-p99, in seconds. Known by the collector: "
            "prediction-shift, the distance between the predictions of challenger and champion, from 0 to 1. Compared "
            "by the champion's servers in steps with `shadow`: disagreement, the share of answers that differ, and "
            "prediction-shift as well. A metric with `query` or `performance` has any other name.",
            min_length=1,
            max_length=63,
            rules=(cel_metrics.NAME,),
        ),
    ]
    query: (
        Annotated[
            str,
            doc(
                "Expression of PromQL with one value, in which $slot, $revision, $namespace and $name stand for the "
                "challenger, and $window for rollout.analysis.window. The operator's installer decides which "
                "Prometheus is asked.",
                min_length=1,
                max_length=2048,
            ),
        ]
        | None
    ) = None
    performance: (
        Annotated[
            PerformanceMetric,
            doc(
                "Metric of the challenger's predictions and their outcomes, as the collector knows them. A prediction "
                "counts once its outcome is mature (feedback.labelMaturity)."
            ),
        ]
        | None
    ) = None
    max: Annotated[float, doc("The challenger breaches when its value is above this.")] | None = None
    min: Annotated[float, doc("The challenger breaches when its value is below this.")] | None = None
    worse_than_champion_by: (
        Annotated[
            ChampionMargin,
            doc(
                "How much worse than the champion, which serves at the same time, still counts as no worse. Evidence "
                "that it is more is a breach, and a weight step ends only with evidence that it is less. Values of a "
                "query are compared as they are."
            ),
        ]
        | None
    ) = None
    direction: (
        Annotated[
            Direction,
            doc("Which values of the query are better. Left out: Higher with `min` alone, Lower with `max` alone."),
        ]
        | None
    ) = None
    tolerance: (
        Annotated[
            float,
            doc(
                "Of disagreement: how far two numbers may be apart and still agree, such as 0.05 for probabilities. "
                "Left out: only classes are compared, and the answers of a model without classes are NoData.",
                ge=0,
            ),
        ]
        | None
    ) = None
    weight: Annotated[
        float,
        doc(
            "Its share of the chance of a false verdict beside the other metrics: one with weight 2 needs half as much "
            "evidence as one with weight 1.",
            ge=0.01,
            le=100,
        ),
    ] = 1.0
    guard_rail: Annotated[
        bool,
        doc(
            "Only a breach counts: the rollout goes on while the metric has too few samples, cannot be read, or is "
            "beyond its bound by what may be chance."
        ),
    ] = False
    consecutive: Annotated[
        int,
        doc(
            "Looks, or values of a query, in a row that must breach before the metric counts as breached.", ge=1, le=100
        ),
    ] = 1
    min_samples: Annotated[
        int,
        doc(
            "Requests, values of a query, or rows with an outcome, below which the verdict is NoData.",
            ge=1,
            le=1_000_000,
        ),
    ] = 5

    @property
    def higher_is_better(self) -> bool:
        """Of a query: which way is worse than the champion."""
        if self.direction is not None:
            return self.direction is Direction.HIGHER
        return self.max is None

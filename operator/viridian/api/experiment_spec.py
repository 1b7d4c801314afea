"""An experiment: a step of a rollout with a beginning, an end and a verdict."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from viridian.api import cel_experiment
from viridian.api.gate_spec import Direction
from viridian.api.performance import PerformanceMetric
from viridian.api.schema import Rule, Struct, doc, duration


class ExperimentVerdict(StrEnum):
    """What an experiment has shown of the challenger beside the champion."""

    BETTER = "Better"
    WORSE = "Worse"
    # The difference is proved to be smaller than the smallest effect of interest.
    NO_DIFFERENCE = "NoDifference"
    # The time was over before anything was proved.
    INCONCLUSIVE = "Inconclusive"
    # The two answer with values that cannot be compared.
    SCHEMA_MISMATCH = "SchemaMismatch"


class AfterExperiment(StrEnum):
    """What a verdict does."""

    PROCEED = "Proceed"
    REJECT = "Reject"
    # A person approves the challenger, or rejects it.
    HOLD = "Hold"


class Allocation(StrEnum):
    """Who decides about the share of the challenger while the experiment lasts."""

    FIXED = "Fixed"
    THOMPSON = "Thompson"


class Experiment(Struct, frozen=True, kw_only=True):
    """Challenger and champion are compared by the outcomes of their predictions, until one verdict is proved."""

    rules: ClassVar[tuple[Rule, ...]] = (
        cel_experiment.ONE_MEASURE,
        cel_experiment.BIAS,
        cel_experiment.THOMPSON_OF_MEANS,
        cel_experiment.WEIGHT_WITHIN_FLOORS,
        cel_experiment.FEW_ALLOCATIONS,
        cel_experiment.PROVES_NOTHING,
    )

    weight: Annotated[
        int,
        doc(
            "Share of the traffic for the challenger, in percent. With Thompson it is the first one.",
            ge=1,
            le=99,
        ),
    ] = 50
    performance: (
        Annotated[PerformanceMetric, doc("The metric of predictions and their outcomes that decides.")] | None
    ) = None
    outcome: (
        Annotated[
            Direction,
            doc(
                "The mean of the outcomes themselves decides, such as the share of users who bought something. Higher "
                "or Lower says which is better. Of two classes it is the share of the second one."
            ),
        ]
        | None
    ) = None
    smallest_effect: Annotated[
        float,
        doc(
            "The smallest difference of interest, in the unit of the metric: 0.01 is one percentage point of a share. "
            "A difference that is proved to be smaller is NoDifference.",
            rules=(cel_experiment.SOME_EFFECT,),
        ),
    ]
    confidence: Annotated[
        float,
        doc(
            "How sure a verdict must be. Of experiments without any difference, at most 1 - confidence end with Better "
            "or Worse, however often the figures are looked at.",
            rules=(cel_experiment.SURE_ENOUGH,),
        ),
    ] = 0.95
    min_samples: Annotated[
        int,
        doc(
            "Rows with a known outcome, of challenger and champion each, before anything is proved.",
            ge=100,
            le=1_000_000_000,
        ),
    ] = 1000
    max_duration: Annotated[
        str,
        duration("How long it lasts at most. What is not proved by then is Inconclusive.", at_least="10s"),
    ] = "14d"
    allocation: Annotated[
        Allocation,
        doc(
            "Fixed: the weight stays. Thompson: the share follows the chance that the challenger is better, as far as "
            "it is known."
        ),
    ] = Allocation.FIXED
    floor: Annotated[
        int,
        doc(
            "With Thompson: the share of the traffic that challenger and champion each keep, in percent.",
            rules=(cel_experiment.FLOORS,),
        ),
    ] = 10
    interval: Annotated[
        str, duration("With Thompson: how often the share is decided about.", at_least="10s", at_most="7d")
    ] = "2h"
    on_better: Annotated[AfterExperiment, doc("What the verdict Better does.")] = AfterExperiment.PROCEED
    on_worse: Annotated[AfterExperiment, doc("What the verdict Worse does: Reject or Hold.")] = AfterExperiment.REJECT
    on_no_difference: Annotated[AfterExperiment, doc("What the verdict NoDifference does. Hold: a person decides.")] = (
        AfterExperiment.HOLD
    )
    on_inconclusive: Annotated[AfterExperiment, doc("What the verdict Inconclusive does: Hold or Reject.")] = (
        AfterExperiment.HOLD
    )
    on_schema_mismatch: Annotated[AfterExperiment, doc("What the verdict SchemaMismatch does: Reject or Hold.")] = (
        AfterExperiment.REJECT
    )

    def after(self, verdict: ExperimentVerdict) -> AfterExperiment:
        """What this verdict does."""
        return {
            ExperimentVerdict.BETTER: self.on_better,
            ExperimentVerdict.WORSE: self.on_worse,
            ExperimentVerdict.NO_DIFFERENCE: self.on_no_difference,
            ExperimentVerdict.INCONCLUSIVE: self.on_inconclusive,
            ExperimentVerdict.SCHEMA_MISMATCH: self.on_schema_mismatch,
        }[verdict]

    @property
    def measure_name(self) -> str:
        """What is compared, in a word."""
        return str(self.performance) if self.performance is not None else "outcome"

"""What is watched in a model's requests and answers: `spec.monitoring` of a ModelDeployment."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

import msgspec

from viridian.api import cel_monitoring as cel
from viridian.api.feedback_spec import MAX_COLUMNS, Column
from viridian.api.performance import PerformanceMetric
from viridian.api.schema import Rule, Struct, doc, duration, named

MAX_MONITORS: Final = 20


class Statistic(StrEnum):
    """How two distributions are compared."""

    MEAN_SHIFT = "MeanShift"
    """Numbers: how far the mean has moved, in standard deviations of the reference."""
    KS = "KS"
    """Numbers: the largest difference of the cumulative shares (Kolmogorov and Smirnov), from 0 to 1."""
    PSI = "PSI"
    """Both: the population stability index over bins of equal reference share, less what chance alone makes of it."""
    MISSING = "Missing"
    """Both: change of the share of missing values."""
    NEW_CATEGORIES = "NewCategories"
    """Categories: growth of the share of values that the reference does not know."""
    TOTAL_VARIATION = "TotalVariation"
    """Categories: the share of rows that would have to change their value to get from one to the other."""


class Decision(StrEnum):
    """When a number counts as beyond its threshold."""

    POINT = "Point"
    """When the number itself is."""
    LOWER_BOUND = "LowerBound"
    """When the number is so far beyond that chance hardly makes it so: its lower bound (about 99.9 %) is."""


class Against(StrEnum):
    """What the newest window is compared with."""

    TRAINING = "Training"
    """What the model was trained on: its reference profile."""
    PREVIOUS_WINDOW = "PreviousWindow"
    SAME_SEASON = "SameSeason"
    """The same window one season before, and the training data as well: both must differ."""


class Action(StrEnum):
    """What follows when a monitor fires."""

    ALERT = "Alert"
    REVIEW = "Review"
    """The condition ReviewRequired, until a person has answered it."""
    ROLLBACK = "Rollback"
    """The traffic goes back to the fallback: known outcomes show that the champion is worse than it promised."""
    PAUSE_AUTOMATION = "PauseAutomation"
    """No trigger of a RetrainPolicy starts a run, until the monitor is quiet again."""


_STATISTIC = doc("How they are compared. Without it: KS for numbers, TotalVariation for categories.")
_THRESHOLD = doc(
    "The monitor fires beyond it. Default by statistic: MeanShift 0.5, KS 0.2, PSI 0.2, Missing 0.05, "
    "NewCategories 0.01, TotalVariation 0.1.",
    ge=0,
    le=1000,
)
_DECISION = doc(
    "Point: the number itself must be beyond the threshold. LowerBound: its lower bound must, so that chance hardly "
    "ever fires the monitor."
)
_AGAINST = doc(
    "Training: the version's reference profile. PreviousWindow: the window before. SameSeason: the same window one "
    "season before; it fires only where the training data differ as well. Inputs are compared with those that any "
    "version met then."
)
_MIN_SAMPLES = doc(
    "Values below which the verdict is InsufficientData. Default 500, with decision Point 100.", ge=100, le=10_000_000
)


class Drift(Struct, frozen=True, kw_only=True):
    """The inputs have moved away from the reference."""

    rules: ClassVar[tuple[Rule, ...]] = cel.COMPARISON

    features: Annotated[
        tuple[Column, ...],
        doc("Features that are watched; none means all of the reference profile.", max_length=MAX_COLUMNS),
    ] = ()
    statistic: Annotated[Statistic, _STATISTIC] | None = None
    threshold: Annotated[float, _THRESHOLD] | None = None
    decision: Annotated[Decision, _DECISION] = Decision.LOWER_BOUND
    reference: Annotated[Against, _AGAINST] = Against.TRAINING
    share: (
        Annotated[
            float,
            doc(
                "Share of the watched features that must drift at least, such as 0.2. Without it one is enough.",
                ge=0,
                le=1,
            ),
        ]
        | None
    ) = None
    min_samples: Annotated[int, _MIN_SAMPLES] | None = None


class PredictionDrift(Struct, frozen=True, kw_only=True):
    """The answers have moved away from the reference: no outcome is needed to see it."""

    rules: ClassVar[tuple[Rule, ...]] = cel.COMPARISON

    statistic: Annotated[Statistic, _STATISTIC] | None = None
    threshold: Annotated[float, _THRESHOLD] | None = None
    decision: Annotated[Decision, _DECISION] = Decision.LOWER_BOUND
    reference: Annotated[Against, _AGAINST] = Against.TRAINING
    min_samples: Annotated[int, _MIN_SAMPLES] | None = None


_METRIC = doc("Name of the metric.")
_MIN = doc("The monitor fires below it.", ge=-1e12, le=1e12)
_MAX = doc("The monitor fires above it.", ge=-1e12, le=1e12)
_RELATIVE = doc(
    "Change against the value on the version's holdout, as a share of it: -0.08 fires when the metric has fallen by "
    "more than 8 %. For errors, of which less is better, it is positive.",
    ge=-1,
    le=100,
)
_CONSECUTIVE = doc("Windows in a row that must be beyond the bound.", ge=1, le=100)
_MATURITY = duration("How long after a prediction its outcome counts as known. Default: feedback.labelMaturity.")
_MIN_LABELS = doc(
    "Rows with an outcome below which the verdict is InsufficientData.",
    ge=30,
    le=10_000_000,
)


class PerformanceMonitor(Struct, frozen=True, kw_only=True):
    """How well predictions and outcomes went together, in windows whose labels are mature."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.ONE_LIMIT, cel.LIMIT_ON_THE_RIGHT_SIDE)

    metric: Annotated[PerformanceMetric, _METRIC]
    min: Annotated[float, _MIN] | None = None
    max: Annotated[float, _MAX] | None = None
    relative_to_baseline: Annotated[float, _RELATIVE] | None = None
    label_maturity: Annotated[str, _MATURITY] | None = None
    min_labels: Annotated[int, _MIN_LABELS] = 500
    consecutive: Annotated[int, _CONSECUTIVE] = 3


class EstimatedPerformance(Struct, frozen=True, kw_only=True):
    """What the performance is likely to be, from the scores alone; for models with two classes."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.ONE_LIMIT, cel.LIMIT_ON_THE_RIGHT_SIDE, cel.ESTIMABLE)

    metric: Annotated[PerformanceMetric, _METRIC]
    min: Annotated[float, _MIN] | None = None
    max: Annotated[float, _MAX] | None = None
    relative_to_baseline: Annotated[float, _RELATIVE] | None = None
    min_samples: Annotated[
        int, doc("Predictions below which the verdict is InsufficientData.", ge=100, le=10_000_000)
    ] = 500
    consecutive: Annotated[int, _CONSECUTIVE] = 3


class ConceptDrift(Struct, frozen=True, kw_only=True):
    """The model errs more than on its own holdout, whether or not its inputs have moved."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.HAS_A_REFERENCE,)

    metric: (
        Annotated[PerformanceMetric, doc("Default: auc with two classes, accuracy with more, mae for numbers.")] | None
    ) = None
    threshold: Annotated[
        float, doc("How much worse than on the holdout it may be, as a share of the value there.", ge=0, le=100)
    ] = 0.1
    decision: Annotated[Decision, _DECISION] = Decision.LOWER_BOUND
    label_maturity: Annotated[str, _MATURITY] | None = None
    min_labels: Annotated[int, _MIN_LABELS] = 500


class Decay(Struct, frozen=True, kw_only=True):
    """The performance declines slowly, however good it still is."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.ONE_SLOPE, cel.SLOPE_ON_THE_RIGHT_SIDE)

    metric: Annotated[PerformanceMetric, _METRIC]
    per_window: (
        Annotated[
            float,
            doc("Change from window to window: -0.005 fires when it falls faster than that.", ge=-1e12, le=1e12),
        ]
        | None
    ) = None
    relative_per_window: (
        Annotated[float, doc("The same as a share of the value on the version's holdout.", ge=-1, le=1)] | None
    ) = None
    windows: Annotated[int, doc("How many windows the trend is drawn through.", ge=4, le=100)] = 14
    decision: Annotated[Decision, _DECISION] = Decision.LOWER_BOUND
    label_maturity: Annotated[str, _MATURITY] | None = None
    min_labels: Annotated[int, _MIN_LABELS] = 100


class Monitor(Struct, frozen=True, kw_only=True):
    """One question that is asked of every window: exactly one source."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.ONE_KIND, cel.ROLLBACK_RESTS_ON_OUTCOMES)

    name: Annotated[
        str, doc("Name for people, metrics and triggers.", min_length=1, max_length=63, rules=(cel.MONITOR_NAME,))
    ]
    drift: Annotated[Drift, doc("The inputs have moved away from the reference.")] | None = None
    prediction_drift: Annotated[PredictionDrift, doc("The answers have moved away from the reference.")] | None = None
    performance: (
        Annotated[PerformanceMonitor, doc("How well predictions and mature outcomes went together.")] | None
    ) = None
    estimated_performance: (
        Annotated[EstimatedPerformance, doc("The performance as estimated from the scores, without outcomes.")] | None
    ) = None
    concept_drift: (
        Annotated[ConceptDrift, doc("The model errs more than on its own holdout, on mature outcomes.")] | None
    ) = None
    decay: Annotated[Decay, doc("The performance declines slowly.")] | None = None
    action: Annotated[
        Action,
        doc(
            "Alert: condition, event and metrics. Review: ReviewRequired becomes true as well, and stays so until the "
            "annotation viridian.dev/reviewed names the time in its message, or another version serves. Rollback: the "
            "traffic goes back to the fallback as well; for monitors that rest on outcomes. PauseAutomation: triggers "
            "of RetrainPolicies start no runs until the monitor is quiet."
        ),
    ] = Action.ALERT


Source = Drift | PredictionDrift | PerformanceMonitor | EstimatedPerformance | ConceptDrift | Decay


def source_of(monitor: Monitor) -> Source | None:
    """What the monitor asks; None where it asks nothing, which the API server refuses."""
    return next(
        (
            source
            for source in (
                monitor.drift,
                monitor.prediction_drift,
                monitor.performance,
                monitor.estimated_performance,
                monitor.concept_drift,
                monitor.decay,
            )
            if source is not None
        ),
        None,
    )


def usual() -> tuple[Monitor, ...]:
    """What `monitoring: {}` watches. Each fires hardly ever by chance."""
    return (
        Monitor(name="inputs", drift=Drift()),
        Monitor(name="missing-values", drift=Drift(statistic=Statistic.MISSING)),
        Monitor(name="new-categories", drift=Drift(statistic=Statistic.NEW_CATEGORIES)),
        Monitor(name="predictions", prediction_drift=PredictionDrift()),
        Monitor(name="errors", concept_drift=ConceptDrift()),
    )


class Monitoring(Struct, frozen=True, kw_only=True):
    """What is watched while the champion serves."""

    rules: ClassVar[tuple[Rule, ...]] = (cel.WHOLE_WINDOWS, cel.RECOVERS_IN_WINDOWS)

    window: Annotated[str, duration("Length of the windows that are judged.", at_least="1m", at_most="30d")] = "1h"
    season: Annotated[
        str, duration("How far back SameSeason looks; a whole number of windows.", at_least="1m", at_most="365d")
    ] = "7d"
    recover_within: (
        Annotated[
            str,
            duration(
                "How long a monitor may fire until it is quiet again, such as 14d; later RecoveryOverdue is True.",
                at_least="1m",
            ),
        ]
        | None
    ) = None
    monitors: Annotated[
        tuple[Monitor, ...],
        named(
            "name",
            "What is asked of every window. Default: drift of inputs, missing values, new categories, drift of "
            "predictions, and errors above those on the holdout.",
            max_length=MAX_MONITORS,
        ),
    ] = msgspec.field(default_factory=usual)

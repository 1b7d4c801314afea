"""What the monitors have found: `status.monitoring` of a ModelDeployment."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from viridian.api.monitoring import MAX_MONITORS
from viridian.api.schema import Struct, doc, named, prose, time, word

MAX_FIGURES: Final = 5
"""Figures of one monitor that a status shows; all of them are metrics."""
MAX_DISTRIBUTIONS: Final = 10
"""Features whose distributions a status shows."""
MAX_PART: Final = 63 + 1 + 256
"""Characters of a monitor's name and a feature's, with the slash between them."""


class FigureStatus(Struct, frozen=True, kw_only=True):
    """One number that was judged."""

    measure: Annotated[str, word("Statistic or metric.")]
    verdict: Annotated[str, word("Fired, Quiet or InsufficientData.")]
    feature: Annotated[str, word("The feature that it is about; absent for the model as a whole.")] | None = None
    value: Annotated[float, doc("The number.")] | None = None
    bound: Annotated[float, doc("What chance leaves of it.")] | None = None
    threshold: Annotated[float, doc("What it is compared with.")] | None = None
    reference: Annotated[float, doc("The same metric on the version's holdout.")] | None = None
    samples: Annotated[int, doc("Values or labelled rows that it rests on.")] = 0
    reference_samples: Annotated[int, doc("The same of what it is compared with.")] = 0


class FiringStatus(Struct, frozen=True, kw_only=True):
    """A row of windows in all of which a monitor was beyond its threshold."""

    windows: Annotated[int, doc("How many windows.", ge=1)]
    last: Annotated[str, time("End of the newest of them.")]


class MonitorStatus(Struct, frozen=True, kw_only=True):
    """The verdict of one monitor."""

    name: Annotated[str, word("Name of the monitor.")]
    verdict: Annotated[str, word("Fired, Quiet or InsufficientData.")]
    message: Annotated[str, prose("The sentence for people.")] = ""
    provisional: Annotated[bool, doc("True for an estimate, made without outcomes.")] | None = None
    firing: (
        Annotated[
            FiringStatus,
            doc("The newest row of windows beyond the threshold, while a trigger of a RetrainPolicy asks for it."),
        ]
        | None
    ) = None
    firing_since: (
        Annotated[str, time("End of the window in which it began to fire, until it is quiet again.")] | None
    ) = None
    figures: Annotated[
        tuple[FigureStatus, ...], doc("What speaks for the verdict most, gravest first.", max_length=MAX_FIGURES)
    ] = ()


class ValueGroups(StrEnum):
    """In which order the groups of a distribution stand."""

    NUMBERS = "Numbers"
    """From the lowest values up."""
    CATEGORIES = "Categories"
    """From the category that is most frequent in the training data on; the last group is all others."""


Share = Annotated[float, doc("A share.", ge=0, le=1)]


class Distribution(Struct, frozen=True, kw_only=True):
    """Values in the window beside those of the reference. The groups have no names: no value stands in a status."""

    groups: Annotated[
        ValueGroups,
        doc(
            "Numbers: from the lowest values up. Categories: from the most frequent one on, and all others at the end."
        ),
    ]
    reference: Annotated[tuple[Share, ...], doc("Share of each group in the reference.", max_length=20)]
    window: Annotated[tuple[Share, ...], doc("Share of the same groups in the window.", max_length=20)]
    reference_missing: Annotated[float, doc("Share of missing values in the reference.")] = 0.0
    window_missing: Annotated[float, doc("Share of missing values in the window.")] = 0.0


class FeatureDistribution(Distribution, frozen=True, kw_only=True):
    """A feature in the window beside the training data."""

    feature: Annotated[str, word("The feature.")]


class ReviewStatus(Struct, frozen=True, kw_only=True):
    """What a person was asked to look at."""

    asked: Annotated[str, time("End of the window that asked; the annotation viridian.dev/reviewed names it.")]
    reason: Annotated[str, word("Stable CamelCase word for tools.")]
    message: Annotated[str, prose("What was found.")] = ""
    about: Annotated[
        tuple[Annotated[str, doc("A monitor, or one of its features.", max_length=MAX_PART)], ...],
        doc(
            "What had fired, as monitor/feature, or monitor for all of it; it does not ask again while it goes on.",
            max_length=MAX_MONITORS * MAX_FIGURES,
        ),
    ] = ()
    reviewed: Annotated[bool, doc("Whether a person has confirmed the review.")] = False


class MonitoringStatus(Struct, frozen=True, kw_only=True):
    """The verdicts, and the figures with which they came about; newer figures of the same verdicts are metrics only."""

    revision: Annotated[str, word("Revision that was watched.")]
    start: Annotated[str, time("Beginning of the window that brought the verdicts.")]
    end: Annotated[str, time("End of that window.")]
    monitors: Annotated[
        tuple[MonitorStatus, ...], named("name", "One entry for each monitor.", max_length=MAX_MONITORS)
    ] = ()
    distributions: Annotated[
        tuple[FeatureDistribution, ...],
        named(
            "feature",
            "The features that the figures speak of, in that window and in the training data.",
            max_length=MAX_DISTRIBUTIONS,
        ),
    ] = ()
    predictions: (
        Annotated[
            Distribution,
            doc("Predictions in that window beside those of the holdout: scores, values, or classes by frequency."),
        ]
        | None
    ) = None
    review: Annotated[ReviewStatus, doc("What a monitor with action Review asked a person to look at.")] | None = None

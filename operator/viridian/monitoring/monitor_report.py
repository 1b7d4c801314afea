"""The results of all monitors in the newest window, as they are recorded and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from viridian.api.monitoring import Action, Source
from viridian.judgement.figures import Figure, MonitorVerdict
from viridian.monitoring.distributions import ValueShares
from viridian.monitoring.windows import Calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorResult:
    """The result of one monitor."""

    name: str
    source: Source
    action: Action
    verdict: MonitorVerdict
    sentence: str
    figures: tuple[Figure, ...]
    """Gravest first."""
    beyond: bool = False
    """Whether it fires for the numbers of this window, and not only because it has fired before."""

    @property
    def provisional(self) -> bool:
        """Whether it is an estimate, until the labels are mature."""
        return any(figure.estimated for figure in self.figures)


@dataclass(frozen=True, slots=True)
class FeatureSummary:
    """What a report keeps of a feature's sketch: reports outlive the large profiles that they are made of."""

    missing_share: float | None
    """None where there was no value, missing or not."""
    mean: float | None = None
    """None of categories, and where no value is finite."""
    deviation: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringReport:
    """The results of all monitors, in the order of the spec."""

    revision: str
    calendar: Calendar
    results: tuple[MonitorResult, ...]
    current: Mapping[str, FeatureSummary] = field(default_factory=dict)
    """By feature, of the newest window."""
    reference: Mapping[str, FeatureSummary] = field(default_factory=dict)
    """By feature, of the training data."""
    distributions: tuple[tuple[str, ValueShares], ...] = ()
    """Of the features that the results speak of most, those of a monitor that fires first."""
    predictions: ValueShares | None = None
    """Of the newest window beside the holdout."""

"""What the monitors found in the newest window: each figure beside its threshold, the gravest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from viridian.api.modeldeployment_status import ModelDeploymentStatus
from viridian.api.monitoring_status import FigureStatus, MonitorStatus
from viridian.api.trail_status import IncidentStatus
from viridian.dashboard.views.distribution_view import DistributionView, distribution_view
from viridian.dashboard.views.moments import number

_FIRED = "Fired"
_SHOWN_TIMES = 2.5
"""So many thresholds are as wide as the picture; what is further out is cut at its edge, with its number beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftBar:
    """One figure of a monitor."""

    about: str
    measure: str
    value: str
    threshold: str
    bound: str
    reference: str
    samples: int
    fired: bool
    width: float | None
    """Of the picture, in percent; None where there is no number."""
    limit: float | None
    """Where the threshold lies, in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorView:
    """One monitor with its figures."""

    name: str
    verdict: str
    kind: str
    symbol: str
    message: str
    provisional: bool
    windows: int
    """In how many windows in a row it has fired, where that is counted."""
    bars: Sequence[DriftBar]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftView:
    """The newest window and the incidents."""

    start: str
    end: str
    revision: str
    monitors: Sequence[MonitorView]
    """Those that fire first."""
    distributions: Sequence[DistributionView]
    """Of features, beside the training data."""
    predictions: DistributionView | None
    """Beside those of the holdout."""
    incidents: Sequence[IncidentStatus]
    review: str
    """What a person was asked to look at, and has not yet."""


def drift_view(status: ModelDeploymentStatus) -> DriftView | None:
    """None where nothing has been judged."""
    found = status.monitoring
    if found is None:
        return None
    review = found.review
    return DriftView(
        start=found.start,
        end=found.end,
        revision=found.revision,
        monitors=sorted(map(_monitor, found.monitors), key=lambda one: (_ORDER.get(one.verdict, 1), one.name)),
        distributions=[distribution_view(one.feature, one, "the training data") for one in found.distributions],
        predictions=(
            distribution_view("predictions", found.predictions, "the holdout")
            if found.predictions is not None
            else None
        ),
        incidents=status.incidents,
        review=review.message or review.reason if review is not None and not review.reviewed else "",
    )


_ORDER = {_FIRED: 0, "InsufficientData": 1, "Quiet": 2}
_SYMBOLS = {_FIRED: ("bad", "✕"), "Quiet": ("good", "✓")}


def _monitor(monitor: MonitorStatus) -> MonitorView:
    kind, symbol = _SYMBOLS.get(monitor.verdict, ("neutral", "?"))
    return MonitorView(
        name=monitor.name,
        verdict=monitor.verdict,
        kind=kind,
        symbol=symbol,
        message=monitor.message,
        provisional=monitor.provisional is True,
        windows=monitor.firing.windows if monitor.firing is not None else 0,
        bars=[bar for _, bar in sorted(_bars(monitor.figures), key=lambda one: -one[0])],
    )


def _bars(figures: Sequence[FigureStatus]) -> Iterator[tuple[float, DriftBar]]:
    """Each with how many thresholds it is large."""
    for figure in figures:
        value, threshold = figure.value, figure.threshold
        times = abs(value) / abs(threshold) if value is not None and threshold else 0.0
        known = value is not None and threshold is not None and threshold != 0 and math.isfinite(times)
        yield (
            times,
            DriftBar(
                about=figure.feature or "the model as a whole",
                measure=figure.measure,
                value=number(value),
                threshold=number(threshold),
                bound=number(figure.bound),
                reference=number(figure.reference),
                samples=figure.samples,
                fired=figure.verdict == _FIRED,
                width=round(100 * min(times, _SHOWN_TIMES) / _SHOWN_TIMES, 1) if known else None,
                limit=round(100 / _SHOWN_TIMES, 1) if known else None,
            ),
        )

"""Which windows the monitors need, and what the collector knows of them. Windows are counted from 1970 in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

import msgspec

from viridian.api import durations
from viridian.api.feedback import Window
from viridian.api.monitoring import (
    Against,
    ConceptDrift,
    Decay,
    Drift,
    EstimatedPerformance,
    Monitoring,
    PerformanceMonitor,
    PredictionDrift,
    source_of,
)
from viridian.api.names import fraction
from viridian.core.profile_interval import interval

SETTLING_SECONDS: Final = 30
"""Between the last profile of a window and its evaluation: some requests and some profiles are still under way."""
MAX_JITTER_SECONDS: Final = 600
"""Over which the evaluations of all objects are spread, at most; with a short window over a tenth of it."""


class Content(IntEnum):
    """What is needed of a window. Each one includes those before it."""

    OUTCOMES = 0
    PREDICTIONS = 1
    """Their profile."""
    FEATURES = 2
    """Hundreds of profiles, where the model has as many."""


@dataclass(frozen=True, slots=True)
class WindowQuery:
    """A question to the collector: whole windows in a row, half open; of one revision, or of all."""

    start: float
    end: float
    seconds: float
    revision: str | None
    content: Content = Content.FEATURES

    def needed_of(self, window: Window) -> Window:
        """The window without what nobody needs, to be kept among many."""
        if window.profile is None or self.content is Content.FEATURES:
            return window
        return msgspec.structs.replace(window, profile=msgspec.structs.replace(window.profile, features={}))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The windows of a ModelDeployment, seen from the newest one that is complete."""

    seconds: float
    season: float
    maturity: float
    """How long after a prediction its outcome counts as known, where a monitor does not say it."""
    end: float
    """End of the newest complete window."""
    lag: float
    """How long after its end a window is evaluated."""

    @property
    def start(self) -> float:
        return self.end - self.seconds

    def mature_end(self, maturity: str | None) -> float:
        """End of the newest window all of whose labels are mature."""
        wait = self.maturity if maturity is None else seconds(maturity)
        return (self.end - wait) // self.seconds * self.seconds

    @property
    def next_evaluation(self) -> datetime:
        """When the window after the newest one is evaluated."""
        return datetime.fromtimestamp(self.end + self.seconds + self.lag, UTC)


def calendar(monitoring: Monitoring, maturity: str, now: datetime, uid: str = "") -> Calendar:
    """The windows as of now; `maturity` is what a monitor without one means, `uid` that of the object."""
    length = max(1.0, seconds(monitoring.window))
    lag = delay(length) + jitter(uid, length)
    end = (now.timestamp() - lag) // length * length
    return Calendar(length, seconds(monitoring.season), seconds(maturity), end, lag)


def delay(length: float) -> float:
    """How long after its end a window is complete at the collector."""
    return interval(length) + SETTLING_SECONDS


def jitter(uid: str, length: float) -> float:
    """How much later the windows of one object are evaluated, since those of all objects end at the same time.

    It never changes for an object, so an operator that starts again evaluates the same windows.
    """
    if not uid:
        return 0.0
    return fraction(uid) * min(MAX_JITTER_SECONDS, length / 10)


def seconds(duration: str) -> float:
    return durations.parse(duration).total_seconds()


def window_queries(monitoring: Monitoring, days: Calendar, revision: str) -> list[WindowQuery]:
    """What has to be asked of the collector, each once."""
    richest = {
        replace(span, content=Content.OUTCOMES): span
        for span in sorted(_queries(monitoring, days, revision), key=lambda span: span.content)
    }
    return sorted(richest.values(), key=lambda span: (span.end, span.start, span.revision or "", span.content))


def _queries(monitoring: Monitoring, days: Calendar, revision: str) -> Iterator[WindowQuery]:
    def span(end: float, windows: int, of: str | None, content: Content = Content.FEATURES) -> WindowQuery:
        return WindowQuery(end - windows * days.seconds, end, days.seconds, of, content)

    yield span(days.end, 1, revision)
    for source in map(source_of, monitoring.monitors):
        match source:
            # What others served before, too: a new version must not be blind for a season.
            case Drift() | PredictionDrift() if source.reference is Against.SAME_SEASON:
                yield span(days.end - days.season, 1, None)
            case Drift() if source.reference is Against.PREVIOUS_WINDOW:
                yield span(days.start, 1, None)
            case PredictionDrift() if source.reference is Against.PREVIOUS_WINDOW:
                yield span(days.start, 1, revision)
            case PerformanceMonitor():
                yield span(days.mature_end(source.label_maturity), source.consecutive, revision, Content.OUTCOMES)
            case EstimatedPerformance():
                # One by one: an answer with many profiles would be too large to be in memory at once.
                for number in range(source.consecutive):
                    yield span(days.end - number * days.seconds, 1, revision, Content.PREDICTIONS)
            case ConceptDrift():
                yield span(days.mature_end(source.label_maturity), 1, revision, Content.OUTCOMES)
            case Decay():
                yield span(days.mature_end(source.label_maturity), source.windows, revision, Content.OUTCOMES)


@dataclass(frozen=True, slots=True)
class Windows:
    """What the collector knows of them."""

    known: tuple[Window, ...] = field(default_factory=tuple)

    @staticmethod
    def of(windows: Iterable[Window]) -> Windows:
        """Each revision's window once, with as much as one of the answers has of it."""
        poorest_first = sorted(windows, key=lambda window: len(window.profile.features) if window.profile else -1)
        return Windows(
            tuple({(window.revision, window.start, window.end): window for window in poorest_first}.values())
        )

    def at(self, revision: str, start: float) -> Window | None:
        """The window of a revision that begins then."""
        return next((w for w in self.known if w.revision == revision and round(w.start - start) == 0), None)

    def before(self, revision: str, start: float) -> Window | None:
        """The same for comparing with: of the revision itself, else of the one that met most rows then."""
        mine = self.at(revision, start)
        if mine is not None and mine.profile is not None:
            return mine
        others = [w for w in self.known if round(w.start - start) == 0 and w.profile is not None]
        return max(others, key=lambda w: w.profile.rows if w.profile else 0, default=None)

    def row(self, revision: str, end: float, length: float, count: int) -> list[Window | None]:
        """So many windows up to that end, the oldest first."""
        return [self.at(revision, end - number * length) for number in range(count, 0, -1)]

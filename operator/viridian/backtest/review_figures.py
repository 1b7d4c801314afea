"""What a review looks at: how monitors have behaved, how versions have done, what was spent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.monitoring import Monitoring
from viridian.api.performance import PerformanceMetric
from viridian.api.profile import Task
from viridian.backtest.alarms import Alarm, alarms, detections
from viridian.backtest.history import History, Incident, WindowIndex
from viridian.backtest.replay import ReplayedMonitor, replay
from viridian.judgement.figures import MonitorVerdict
from viridian.judgement.metrics import LOWER_IS_BETTER, default_metric, measure

ALWAYS: Final = 0.9
"""A monitor that fires in this share of its judged windows says nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdFigures:
    """Whether the threshold of a monitor still fits."""

    monitor: str
    windows: int
    judged: int
    fired: int
    false_alarms: int
    breach_seconds: float
    """Time in windows that fired."""

    @property
    def finding(self) -> str:
        """What to look at; empty where nothing is to be done."""
        if not self.judged:
            return "it was never judged: give it data, or remove it"
        if not self.fired:
            return "it never fired: a stricter threshold, or remove it"
        if self.fired >= ALWAYS * self.judged:
            return "it fires always: a looser threshold, or act on it"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFigures:
    """How long an incident took to be seen, and to be over."""

    incident: Incident
    detected_by: str
    """The first monitor that saw it; empty where none did."""
    seconds_to_detect: float | None
    seconds_to_mitigate: float | None
    """To the first window of another version."""
    seconds_to_recover: float | None
    """To the first quiet window of the monitor that saw it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFigures:
    """A version on its holdout, and on outcomes."""

    version: str
    windows: int
    offline: float | None
    """On the holdout that came with the version."""
    online: float | None
    """Over its windows, each weighted by its labels."""
    labelled: int

    @property
    def distance(self) -> float | None:
        """How far reality is from the holdout."""
        return None if self.offline is None or self.online is None else self.online - self.offline


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """The metric in one window."""

    start: float
    version: str
    value: float


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost in a window that fired."""

    start: float
    point_days: float
    """Points of the metric times days, below the level of the version's first window; not negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFigures:
    """All of it. Times are seconds since 1970, in UTC."""

    start: float
    end: float
    metric: PerformanceMetric
    thresholds: tuple[ThresholdFigures, ...]
    incidents: tuple[IncidentFigures, ...]
    versions: tuple[VersionFigures, ...]
    points: tuple[MetricPoint, ...]
    losses: tuple[Loss, ...]
    breach: tuple[float, ...]
    """Begins of the windows in which a monitor fired."""
    window_seconds: float

    @property
    def lost_in_breach(self) -> float | None:
        """Points of the metric times days, in windows that fired; None where the metric is not known of any window."""
        return sum(loss.point_days for loss in self.losses) if self.points else None


def review_figures(
    deployment: ModelDeploymentSpec, history: History, metric: PerformanceMetric | None = None
) -> ReviewFigures:
    """The figures of the stored windows. UnusableHistory is raised where they do not fit the spec."""
    maturity = deployment.feedback.label_maturity if deployment.feedback else "0s"
    monitors = replay(deployment.monitoring or Monitoring(), maturity, history)
    index = WindowIndex(history.windows)
    chosen = metric or default_metric(_task(history))
    points = tuple(_points(index, chosen))
    fired = {window.start for monitor in monitors for window in monitor.judged if window.fired}
    return ReviewFigures(
        start=min(window.start for window in history.windows),
        end=max(window.end for window in history.windows),
        metric=chosen,
        thresholds=tuple(_threshold(monitor, history) for monitor in monitors),
        incidents=tuple(_incident(monitors, index, incident) for incident in history.incidents),
        versions=tuple(_versions(history, index, chosen)),
        points=points,
        losses=tuple(_losses(fired, points, chosen, history.seconds)),
        breach=tuple(sorted(fired)),
        window_seconds=history.seconds,
    )


def _task(history: History) -> Task:
    return next((reference.task for reference in history.references.values()), Task.BINARY)


def _threshold(monitor: ReplayedMonitor, history: History) -> ThresholdFigures:
    judged = [window for window in monitor.judged if window.result.verdict is not MonitorVerdict.INSUFFICIENT_DATA]
    fired = sum(window.fired for window in judged)
    return ThresholdFigures(
        monitor=monitor.name,
        windows=len(monitor.judged),
        judged=len(judged),
        fired=fired,
        false_alarms=sum(alarm.false for alarm in alarms(monitor.judged, history.incidents)),
        breach_seconds=fired * history.seconds,
    )


def _incident(monitors: Sequence[ReplayedMonitor], index: WindowIndex, incident: Incident) -> IncidentFigures:
    seen = [
        (detection.seconds, monitor)
        for monitor in monitors
        for detection in detections(monitor.judged, (incident,))
        if detection.seconds is not None
    ]
    first = min(seen, key=lambda one: one[0], default=None)
    return IncidentFigures(
        incident=incident,
        detected_by=first[1].name if first is not None else "",
        seconds_to_detect=first[0] if first is not None else None,
        seconds_to_mitigate=_until_another_version(index, incident.start.timestamp()),
        seconds_to_recover=_until_quiet(first[1], incident) if first is not None else None,
    )


def _until_quiet(monitor: ReplayedMonitor, incident: Incident) -> float | None:
    found = (alarm for alarm in alarms(monitor.judged, (incident,)) if not alarm.false)
    alarm: Alarm | None = next(found, None)
    return alarm.ended_at - incident.start.timestamp() if alarm is not None and alarm.ended_at is not None else None


def _until_another_version(index: WindowIndex, start: float) -> float | None:
    champions = [index.champion(one) for one in index.starts()]
    during = next((window.revision for window in champions if window.end > start), None)
    return next(
        (window.start - start for window in champions if window.start > start and window.revision != during), None
    )


def _points(index: WindowIndex, metric: PerformanceMetric) -> Iterator[MetricPoint]:
    for start in index.starts():
        window = index.champion(start)
        found = measure(metric, window.performance.joined)
        if found is not None:
            yield MetricPoint(window.start, window.version, found.value)


def _versions(history: History, index: WindowIndex, metric: PerformanceMetric) -> Iterator[VersionFigures]:
    by_version = defaultdict(list)
    for start in index.starts():
        window = index.champion(start)
        by_version[window.version].append(window)
    for version, windows in by_version.items():
        known = [(window.performance.labelled, measure(metric, window.performance.joined)) for window in windows]
        rows = [(labels, found.value) for labels, found in known if found is not None and labels]
        labelled = sum(labels for labels, _ in rows)
        reference = history.reference(version)
        yield VersionFigures(
            version=version,
            windows=len(windows),
            offline=reference.metrics.get(metric.value) if reference is not None else None,
            online=sum(labels * value for labels, value in rows) / labelled if labelled else None,
            labelled=labelled,
        )


def _losses(
    fired: Collection[float], points: Sequence[MetricPoint], metric: PerformanceMetric, seconds: float
) -> Iterator[Loss]:
    levels: dict[str, float] = {}
    for point in points:
        level = levels.setdefault(point.version, point.value)
        worse = point.value - level if metric in LOWER_IS_BETTER else level - point.value
        if point.start in fired:
            yield Loss(point.start, max(0.0, worse) * seconds / 86_400.0)

"""Every figure of every monitor, for dashboards and alerts: those of the newest window that was judged.

Statuses show a figure only as it was when a verdict changed; here it is always the newest one. Series of an object are
gone when the object is, and those of a monitor when it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

from viridian.controller.exposition import family, line
from viridian.controller.keys import Key
from viridian.judgement.figures import Figure
from viridian.monitoring.monitor_report import FeatureSummary, MonitoringReport

MAX_FIGURES: Final = 500
"""Figures of one monitor, and features of one model, that become series: the gravest."""
_VERDICT: Final = "viridian_monitor_verdict"
_WINDOW_END: Final = "viridian_monitor_window_end_seconds"
_OF_FIGURES: Final[Mapping[str, tuple[str, Callable[[Figure], float | None]]]] = {
    "viridian_monitor_value": ("A figure that a monitor judged.", lambda figure: figure.value),
    "viridian_monitor_bound": ("What chance leaves of it.", lambda figure: figure.bound),
    "viridian_monitor_threshold": ("What it is compared with.", lambda figure: figure.threshold),
    "viridian_monitor_reference": ("The same metric on the version's holdout.", lambda figure: figure.reference),
    "viridian_monitor_samples": ("Values or labelled rows that it rests on.", lambda figure: figure.samples),
}
_OF_FEATURES: Final[Mapping[str, tuple[str, Callable[[FeatureSummary], float | None]]]] = {
    "viridian_feature_mean": ("Mean of a feature's finite values.", lambda feature: feature.mean),
    "viridian_feature_standard_deviation": (
        "Standard deviation of a feature's finite values.",
        lambda feature: feature.deviation,
    ),
    "viridian_feature_missing_share": ("Share of missing values.", lambda feature: feature.missing_share),
}
"""Of the newest window and of the training data."""


class MonitoringMetrics:
    """Remembers the newest report on each ModelDeployment."""

    def __init__(self) -> None:
        self._reports: dict[Key, MonitoringReport] = {}

    def judged(self, key: Key, report: MonitoringReport) -> None:
        self._reports[key] = report

    def forget(self, key: Key) -> None:
        self._reports.pop(key, None)

    def clear(self) -> None:
        self._reports.clear()

    def exposition(self) -> Iterator[bytes]:
        """The text of all series, in slices. Reports may come and go between two of them."""
        says = "1 for what each monitor says of the newest window: Fired, Quiet or InsufficientData."
        yield from family(_VERDICT, "gauge", says, self._verdicts())
        end = "End of the newest window that was judged, in seconds since 1970."
        yield from family(_WINDOW_END, "gauge", end, self._window_ends())
        for name, (text, figure_value) in _OF_FIGURES.items():
            yield from family(name, "gauge", text, self._figures(name, figure_value))
        for name, (text, feature_value) in _OF_FEATURES.items():
            yield from family(name, "gauge", text, self._features(name, feature_value))

    def _verdicts(self) -> Iterator[bytes]:
        for key, report in self._all():
            for result in report.results:
                yield line(_VERDICT, _labels(key, monitor=result.name, verdict=result.verdict.value), 1.0)

    def _window_ends(self) -> Iterator[bytes]:
        for key, report in self._all():
            yield line(_WINDOW_END, _labels(key), report.calendar.end)

    def _figures(self, name: str, read: Callable[[Figure], float | None]) -> Iterator[bytes]:
        for key, report in self._all():
            for result in report.results:
                for figure in islice(result.figures, MAX_FIGURES):
                    value = read(figure)
                    if value is not None:
                        of = {"feature": figure.feature, "measure": figure.measure, "monitor": result.name}
                        yield line(name, _labels(key, **of), value)

    def _features(self, name: str, read: Callable[[FeatureSummary], float | None]) -> Iterator[bytes]:
        for key, report in self._all():
            for of, features in (("window", report.current), ("training", report.reference)):
                for feature, summary in islice(features.items(), MAX_FIGURES):
                    value = read(summary)
                    if value is not None:
                        yield line(name, _labels(key, feature=feature, of=of), value)

    def _all(self) -> list[tuple[Key, MonitoringReport]]:
        return list(self._reports.items())


def _labels(key: Key, **more: str) -> dict[str, str]:
    """In the order of their names, as everywhere."""
    return dict(sorted({"namespace": key.namespace, "name": key.name, **more}.items()))

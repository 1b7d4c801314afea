"""Every figure of every monitor, for dashboards and alerts: those of the newest window that was judged.

Statuses show a figure only as it was when a verdict changed; here it is always the newest one. Series of an object are
gone when the object is, and those of a monitor when it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from viridian.controller.keys import Key
from viridian.judgement.figures import Figure
from viridian.monitoring.evaluate import MonitoringReport, MonitorResult

MAX_FIGURES: Final = 500
"""Figures of one monitor, and features of one model, that become series: the gravest."""
_OBJECT: Final = ("namespace", "name")
_FIGURE: Final = (*_OBJECT, "monitor", "measure", "feature")


class MonitoringMetrics(Collector):
    """Remembers the newest report on each ModelDeployment."""

    def __init__(self) -> None:
        self._reports: dict[Key, MonitoringReport] = {}

    def judged(self, key: Key, report: MonitoringReport) -> None:
        self._reports[key] = report

    def forget(self, key: Key) -> None:
        self._reports.pop(key, None)

    def collect(self) -> Iterator[Metric]:
        yield self._verdicts()
        yield self._windows()
        yield from self._figures()
        yield from self._features()

    def _results(self) -> Iterator[tuple[Key, MonitorResult]]:
        for key, report in self._reports.items():
            for result in report.results:
                yield key, result

    def _verdicts(self) -> Metric:
        family = GaugeMetricFamily(
            "viridian_monitor_verdict",
            "1 for what each monitor says of the newest window: Fired, Quiet or InsufficientData.",
            labels=(*_OBJECT, "monitor", "verdict"),
        )
        for key, result in self._results():
            family.add_metric((key.namespace, key.name, result.name, result.verdict.value), 1.0)
        return family

    def _windows(self) -> Metric:
        family = GaugeMetricFamily(
            "viridian_monitor_window_end_seconds",
            "End of the newest window that was judged, in seconds since 1970.",
            labels=_OBJECT,
        )
        for key, report in self._reports.items():
            family.add_metric((key.namespace, key.name), report.calendar.end)
        return family

    def _figures(self) -> Iterator[Metric]:
        parts: dict[str, tuple[str, Callable[[Figure], float | None]]] = {
            "value": ("A figure that a monitor judged.", lambda figure: figure.value),
            "bound": ("What chance leaves of it.", lambda figure: figure.bound),
            "threshold": ("What it is compared with.", lambda figure: figure.threshold),
            "reference": ("The same metric on the version's holdout.", lambda figure: figure.reference),
            "samples": ("Values or labelled rows that it rests on.", lambda figure: float(figure.samples)),
        }
        for part, (sentence, read) in parts.items():
            family = GaugeMetricFamily(f"viridian_monitor_{part}", sentence, labels=_FIGURE)
            for key, result in self._results():
                for figure in islice(result.figures, MAX_FIGURES):
                    value = read(figure)
                    if value is not None:
                        family.add_metric(_labels(key, result, figure), value)
            yield family

    def _features(self) -> Iterator[Metric]:
        """Means and standard deviations, of the newest window and of the training data."""
        labels = (*_OBJECT, "feature", "of")
        means = GaugeMetricFamily("viridian_feature_mean", "Mean of a feature's finite values.", labels=labels)
        deviations = GaugeMetricFamily(
            "viridian_feature_standard_deviation", "Standard deviation of a feature's finite values.", labels=labels
        )
        gaps = GaugeMetricFamily("viridian_feature_missing_share", "Share of missing values.", labels=labels)
        for key, report in self._reports.items():
            for of, features in (("window", report.current), ("training", report.reference)):
                for name, known in islice(features.items(), MAX_FIGURES):
                    values = (key.namespace, key.name, name, of)
                    for family, value in (
                        (gaps, known.missing_share),
                        (means, known.mean),
                        (deviations, known.deviation),
                    ):
                        if value is not None:
                            family.add_metric(values, value)
        yield from (means, deviations, gaps)


def _labels(key: Key, result: MonitorResult, figure: Figure) -> tuple[str, ...]:
    return key.namespace, key.name, result.name, figure.measure, figure.feature

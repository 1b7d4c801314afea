"""Figures about each object, for dashboards and alerts: taken from the statuses that passes lead to.

They are kept in one table and rendered when asked for, so the series of an object that is gone are gone with it, and a
scrape can never show half of an update.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from viridian.api.names import MODEL_DEPLOYMENT, RETRAIN_POLICY
from viridian.controller.keys import Key

Status = Mapping[str, Any]

_TRUTH = {"True": 1.0, "False": 0.0}
_REVERT_BOUNDS = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0, 300.0)
_OBJECT = ("namespace", "name")


@dataclass(slots=True)
class _Observed:
    """What was observed of one object so far."""

    parts: dict[str, Status] = field(default_factory=dict)
    """Its status, by the reconciler of each part."""
    rollbacks: int = 0
    runs: dict[str, int] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        return next((part[name] for part in self.parts.values() if part.get(name)), None)

    @property
    def conditions(self) -> Iterator[Mapping[str, Any]]:
        for part in self.parts.values():
            yield from part.get("conditions") or ()


class Figures(Collector):
    """Remembers the newest status of each object and counts what changes in them while this process runs."""

    def __init__(self) -> None:
        self._observed: dict[Key, _Observed] = {}
        self._reverts: list[float] = [0.0] * (len(_REVERT_BOUNDS) + 1)
        self._revert_sum = 0.0

    def seen(self, key: Key, status: Status, reconciler: str = "") -> None:
        """One reconciler's part of a status as it now stands.

        What the first one shows was decided before this process began, and is not counted.
        """
        observed = self._observed.setdefault(key, _Observed())
        before = observed.parts.get(reconciler)
        observed.parts[reconciler] = status
        if before is None:
            return
        if key.kind == MODEL_DEPLOYMENT:
            self._count_rollback(observed, before, status)
        if key.kind == RETRAIN_POLICY:
            _count_run(observed, before, status)

    def forget(self, key: Key) -> None:
        self._observed.pop(key, None)

    def collect(self) -> Iterator[Metric]:
        models = [(key, observed) for key, observed in self._observed.items() if key.kind == MODEL_DEPLOYMENT]
        policies = [(key, observed) for key, observed in self._observed.items() if key.kind == RETRAIN_POLICY]
        yield self._conditions()
        yield _weights(models)
        yield _verdicts(models)
        yield _rollbacks(models)
        yield self._time_to_revert()
        yield _runs(policies)
        yield _active_runs(policies)

    def _count_rollback(self, observed: _Observed, before: Status, status: Status) -> None:
        latest = status.get("lastRollback")
        if latest and latest.get("revertedAt") != (before.get("lastRollback") or {}).get("revertedAt"):
            observed.rollbacks += 1
            if latest.get("breachAt") or latest.get("seconds"):
                self._observe_revert(float(latest.get("seconds") or 0.0))

    def _observe_revert(self, seconds: float) -> None:
        """Only where there was a breach to measure from: a rollback that a person asks for took no time."""
        self._revert_sum += seconds
        self._reverts[sum(bound < seconds for bound in _REVERT_BOUNDS)] += 1

    def _conditions(self) -> Metric:
        family = GaugeMetricFamily(
            "viridian_condition",
            "A condition of an object: 1 True, 0 False, -1 Unknown.",
            labels=("kind", *_OBJECT, "type"),
        )
        for key, observed in self._observed.items():
            for condition in observed.conditions:
                truth = _TRUTH.get(condition.get("status", ""), -1.0)
                family.add_metric((key.kind, key.namespace, key.name, condition.get("type", "")), truth)
        return family

    def _time_to_revert(self) -> Metric:
        family = HistogramMetricFamily(
            "viridian_time_to_revert_seconds", "From the first breaching sample to the traffic being back, all models."
        )
        counts = [sum(self._reverts[: index + 1]) for index in range(len(self._reverts))]
        bounds = [*map(str, _REVERT_BOUNDS), "+Inf"]
        family.add_metric((), list(zip(bounds, counts, strict=True)), self._revert_sum)
        return family


def _count_run(observed: _Observed, before: Status, status: Status) -> None:
    latest = status.get("lastRun")
    if latest and latest.get("id") != (before.get("lastRun") or {}).get("id"):
        outcome = str(latest.get("outcome", "Unknown"))
        observed.runs[outcome] = observed.runs.get(outcome, 0) + 1


def _weights(models: list[tuple[Key, _Observed]]) -> Metric:
    family = GaugeMetricFamily(
        "viridian_model_weight",
        "Share of the traffic in percent, by role.",
        labels=(*_OBJECT, "role"),
    )
    for key, observed in models:
        challenger = float((observed.value("challenger") or {}).get("weight") or 0)
        if observed.value("champion"):
            family.add_metric((key.namespace, key.name, "champion"), 100.0 - challenger)
        if observed.value("challenger"):
            family.add_metric((key.namespace, key.name, "challenger"), challenger)
    return family


def _verdicts(models: list[tuple[Key, _Observed]]) -> Metric:
    family = GaugeMetricFamily(
        "viridian_verdict",
        "1 for the judge's latest verdict about each metric of the challenger.",
        labels=(*_OBJECT, "metric", "verdict"),
    )
    for key, observed in models:
        for metric in (observed.value("challenger") or {}).get("metrics") or ():
            family.add_metric((key.namespace, key.name, metric.get("name", ""), metric.get("verdict", "")), 1.0)
    return family


def _rollbacks(models: list[tuple[Key, _Observed]]) -> Metric:
    family = CounterMetricFamily(
        "viridian_rollbacks", "Times the traffic went back to the former champion.", labels=_OBJECT
    )
    for key, observed in models:
        family.add_metric((key.namespace, key.name), observed.rollbacks)
    return family


def _runs(policies: list[tuple[Key, _Observed]]) -> Metric:
    family = CounterMetricFamily("viridian_runs", "Finished retraining runs.", labels=(*_OBJECT, "outcome"))
    for key, observed in policies:
        for outcome, count in observed.runs.items():
            family.add_metric((key.namespace, key.name, outcome), count)
    return family


def _active_runs(policies: list[tuple[Key, _Observed]]) -> Metric:
    family = GaugeMetricFamily("viridian_run_active", "1 while a retraining run is under way.", labels=_OBJECT)
    for key, observed in policies:
        family.add_metric((key.namespace, key.name), 1.0 if observed.value("activeRun") else 0.0)
    return family

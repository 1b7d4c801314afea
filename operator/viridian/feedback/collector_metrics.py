"""The collector's own metrics: how many rows, never what is in them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from viridian.api.feedback import Unstored

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_ROWS: Final = (1, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)


MOST_NAMESPACES: Final = 1_000


class RowKind(StrEnum):
    """What rows are about."""

    PREDICTION = "prediction"
    OUTCOME = "outcome"
    PROFILE = "profile"


class RowResult(StrEnum):
    """What became of a row."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    WAITING = "waiting"
    """An outcome whose prediction has not come in yet; it is stored as well."""
    REFUSED = "refused"
    """Not understood, or of a class that the model does not know."""
    ERASED = "erased"
    """About somebody who has been erased."""
    EXPIRED = "expired"
    """Deleted when its time was over."""


class CollectorMetrics:
    """Every series exists from the start with the value 0."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry(auto_describe=False)
        self._rows = Counter(
            "viridian_collector_rows", "Rows by kind and by what became of them.", ("kind", "fate"), registry=registry
        )
        self._unstored = Counter(
            "viridian_collector_refused_predictions",
            "Predictions that were not stored, by reason.",
            ("reason",),
            registry=registry,
        )
        self._dropped = Counter(
            "viridian_collector_dropped_rows",
            "Rows that servers report to have lost under pressure.",
            ("namespace", "deployment"),
            registry=registry,
        )
        self._requests = Counter(
            "viridian_collector_requests", "Requests by route and status code.", ("route", "code"), registry=registry
        )
        self._refused = Counter(
            "viridian_collector_refused_requests",
            "Requests that were too much, too large, too slow or about something unknown, by the sender's namespace.",
            ("namespace", "code"),
            registry=registry,
        )
        self._namespaces: set[str] = set()
        self._commit = Histogram(
            "viridian_collector_commit_seconds",
            "From the beginning of a transaction until it is on disk.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._commit_rows = Histogram(
            "viridian_collector_commit_rows", "Rows that were committed together.", buckets=_ROWS, registry=registry
        )
        self._failures = Counter(
            "viridian_collector_failed_commits", "Transactions that were rolled back.", registry=registry
        )
        self._queue = Gauge("viridian_collector_queued_rows", "Rows that wait to be written.", registry=registry)
        self._database = Gauge(
            "viridian_collector_database_bytes", "What the database takes on its disk.", registry=registry
        )
        for reason in Unstored:
            self._unstored.labels(reason.value)
        for kind in RowKind:
            for result in RowResult:
                self._rows.labels(kind, result)

    def watch_queue(self, rows: Callable[[], float]) -> None:
        """Where the length of the queue is read."""
        self._queue.set_function(rows)

    def database(self, size: int) -> None:
        """What the database takes on its disk, in bytes."""
        self._database.set(size)

    def rows(self, kind: RowKind, result: RowResult, number: int = 1) -> None:
        """Adds rows with this result."""
        self._rows.labels(kind, result).inc(number)

    def unstored(self, reason: str) -> None:
        """One prediction was refused for this reason."""
        self._unstored.labels(reason).inc()

    def dropped(self, namespace: str, deployment: str, rows: int) -> None:
        """A server says that it lost so many rows."""
        self._dropped.labels(namespace, deployment).inc(rows)

    def answered(self, route: str, code: int) -> None:
        """One request; by the route's pattern, since paths may hold what must not be seen."""
        self._requests.labels(route, str(code)).inc()

    def refused(self, namespace: str, code: int) -> None:
        """One request of somebody of this namespace; beyond so many namespaces, they count together."""
        if len(self._namespaces) < MOST_NAMESPACES:
            self._namespaces.add(namespace)
        self._refused.labels(namespace if namespace in self._namespaces else "others", str(code)).inc()

    def forget(self, namespace: str, deployment: str) -> None:
        """The deployment is gone."""
        with contextlib.suppress(KeyError):
            self._dropped.remove(namespace, deployment)

    def committed(self, seconds: float, rows: int) -> None:
        """One transaction is on disk."""
        self._commit.observe(seconds)
        self._commit_rows.observe(rows)

    def failed(self) -> None:
        """One transaction was rolled back."""
        self._failures.inc()

    def render(self) -> bytes:
        """All of it as Prometheus text."""
        return generate_latest(self._registry)

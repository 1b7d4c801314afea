"""The operator's own metrics, under names that people know from other controllers where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.process_collector import ProcessCollector

from viridian.controller.figures import Figures
from viridian.controller.keys import Key
from viridian.controller.monitoring_metrics import MonitoringMetrics
from viridian.controller.queue import WorkQueue
from viridian.controller.reconcile import PassResult
from viridian.core.alert_labels import about
from viridian.core.urgency import Urgency

# A series with the time of creation beside each counter doubles the output and helps nobody who scrapes text.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Telemetry:
    """What the parts of the loop tell, ready to be scraped."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.figures = Figures(self.registry)
        self.monitoring = MonitoringMetrics()
        ProcessCollector(registry=self.registry)
        self._queue_metrics()
        self._loop_metrics()

    def exposition(self) -> Iterator[bytes]:
        """All series as text, in slices between which other work can be done."""
        yield generate_latest(self.registry)
        yield from self.figures.exposition()
        yield from self.monitoring.exposition()

    def stand_by(self) -> None:
        """Show no object any more: from now on another operator knows better what becomes of them."""
        self.figures.clear()
        self.monitoring.clear()

    def of(self, reconciler: str, kind: str) -> ReconcilerTelemetry:
        """The observer of one reconciler of that kind, and of its queue."""
        for outcome in PassResult:
            self.passes.labels(reconciler, kind, outcome)
        for result in ("at_rest", "pass"):
            self._looks.labels(reconciler, result)
        return ReconcilerTelemetry(self, reconciler)

    def watch_queue(self, reconciler: str, queue: WorkQueue) -> None:
        """Read the queue's own figures whenever somebody scrapes."""
        for urgency in Urgency:
            depth = partial(queue.depth_of, urgency)
            self._depth.labels(reconciler, urgency.name.lower()).set_function(depth)
        self._unfinished.labels(reconciler).set_function(lambda: queue.unfinished_seconds)
        self._longest.labels(reconciler).set_function(lambda: queue.longest_running_seconds)

    def watch_leader(self, leads: Callable[[], bool]) -> None:
        """Say whether this operator leads whenever somebody scrapes."""
        text = "1 while this operator leads, 0 while it stands by."
        Gauge("viridian_leader", text, registry=self.registry).set_function(lambda: float(leads()))

    def watch_lag(self, lag: Callable[[], float]) -> None:
        """Read how late the event loop is whenever somebody scrapes."""
        self._gauge("viridian_loop_lag_seconds", "How late the event loop ran its latest heartbeat.").labels(
            "viridian"
        ).set_function(lag)

    # ---- the API server

    def called(self, verb: str, resource: str, code: str, seconds: float) -> None:
        """A call to the API server was answered, or failed (`code` "error")."""
        self._calls.labels(verb, resource, code).inc()
        if verb != "watch":
            self._call_seconds.labels(verb, resource).observe(seconds)

    def _queue_metrics(self) -> None:
        self.adds = self._counter("workqueue_adds", "Wake-ups of keys that were not waiting already.")
        self.retries = self._counter("workqueue_retries", "Passes that failed and were put back.")
        self.wait_seconds = Histogram(
            "workqueue_queue_duration_seconds",
            "From the wake-up to the start of the pass.",
            ("name", "lane"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.work_seconds = self._histogram("workqueue_work_duration_seconds", "From the start of a pass to its end.")
        self._depth = Gauge("workqueue_depth", "Keys that wait for a worker.", ("name", "lane"), registry=self.registry)
        self._unfinished = self._gauge(
            "workqueue_unfinished_work_seconds", "Seconds that the passes under way have taken so far, together."
        )
        self._longest = self._gauge(
            "workqueue_longest_running_processor_seconds",
            "Seconds that the oldest pass under way has taken so far.",
        )

    def _loop_metrics(self) -> None:
        self.passes = Counter(
            "viridian_reconciles",
            "Passes by reconciler, kind and outcome.",
            ("reconciler", "kind", "outcome"),
            registry=self.registry,
        )
        self.pass_seconds = Histogram(
            "viridian_reconcile_seconds",
            "Seconds of a pass.",
            ("reconciler", "kind"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.sweeps = Counter(
            "viridian_sweeps", "Sweeps over all objects that came to their end.", registry=self.registry
        )
        self._looks = Counter(
            "viridian_sweep_looks",
            "Objects that a sweep has looked at, by reconciler: at rest, or left to a pass.",
            ("reconciler", "result"),
            registry=self.registry,
        )
        self._received = Counter(
            "viridian_received_events",
            "Events that were stored, known or ignored, and requests that were refused, by their status.",
            ("result",),
            registry=self.registry,
        )
        for result in ("stored", "known", "ignored"):
            self._received.labels(result)
        self._sent = Counter(
            "viridian_sent_events",
            "Events that the sink has taken, that it refused, and that it did not answer.",
            ("result",),
            registry=self.registry,
        )
        for result in ("taken", "refused", "unavailable"):
            self._sent.labels(result)
        self._calls = Counter(
            "viridian_api_requests",
            "Calls to the API server, those of the watches included.",
            ("verb", "resource", "code"),
            registry=self.registry,
        )
        self._call_seconds = Histogram(
            "viridian_api_request_seconds",
            "Seconds until the API server answered.",
            ("verb", "resource"),
            buckets=_SECONDS,
            registry=self.registry,
        )

    def received(self, result: str, number: int) -> None:
        """So many events were stored, known or ignored, or one request was refused with that status."""
        self._received.labels(result).inc(number)

    def sent(self, result: str, number: int) -> None:
        """So many events were taken by the sink, refused by it, or not answered."""
        self._sent.labels(result).inc(number)

    def looked(self, reconciler: str, *, at_rest: bool) -> None:
        """A sweep has looked at an object for this reconciler."""
        self._looks.labels(reconciler, "at_rest" if at_rest else "pass").inc()

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, ("name",), registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, ("name",), buckets=_SECONDS, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ("name",), registry=self.registry)


class ReconcilerTelemetry:
    """The observer of one reconciler and of its queue: all that it observes has that name."""

    def __init__(self, telemetry: Telemetry, reconciler: str) -> None:
        self._telemetry, self._name = telemetry, reconciler

    # ---- the queue

    def added(self) -> None:
        self._telemetry.adds.labels(self._name).inc()

    def waited(self, seconds: float, urgency: Urgency) -> None:
        self._telemetry.wait_seconds.labels(self._name, urgency.name.lower()).observe(seconds)

    def worked(self, seconds: float) -> None:
        self._telemetry.work_seconds.labels(self._name).observe(seconds)

    def retried(self) -> None:
        self._telemetry.retries.labels(self._name).inc()

    # ---- the passes

    def reconciled(self, key: Key, outcome: PassResult, seconds: float) -> None:
        self._telemetry.passes.labels(self._name, key.kind, outcome).inc()
        self._telemetry.pass_seconds.labels(self._name, key.kind).observe(seconds)

    def seen(self, key: Key, status: Mapping[str, Any], manifest: Mapping[str, Any] = MappingProxyType({})) -> None:
        self._telemetry.figures.seen(key, status, self._name, whose=about(key.kind, key.name, manifest))

    def forget(self, key: Key) -> None:
        self._telemetry.figures.forget(key)
        self._telemetry.monitoring.forget(key)

"""The server's own metrics, as the operator and Prometheus read them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from viridian.api.samples import (
    DURATION_METRIC,
    INFO_METRIC,
    LAST_ANSWER_METRIC,
    LATENCY_BOUNDS,
    REQUESTS_METRIC,
    CodeClass,
    Identity,
)
from viridian.api.shadow import COPIED_DURATION_METRIC, COPIED_REQUESTS_METRIC
from viridian.serving.errors import Busy, NoAnswer, Rejection, TookTooLong, TurnMissed
from viridian.serving.server_settings import ServerSettings

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_LABELS = ("model", "version", "revision", "slot")


Families = Callable[[Sequence[str], Sequence[str]], Iterable[Metric]]
"""Metrics that are made when they are asked for, from the names and values of the labels that all have."""


class Waiting(Protocol):
    """What is asked of the work that predicts."""

    together: int

    @property
    def waiting(self) -> int:
        """Requests for which no thread is free."""


class ServerMetrics:
    """Every series exists from the start with the value 0, so that a rate can be taken of the first error."""

    def __init__(self, settings: ServerSettings, in_flight: Callable[[], float], work: Waiting) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry(auto_describe=False)
        self._judged = CollectorRegistry(auto_describe=False)
        """What a judge reads: whose server it is, and how it answered users and copies of their requests."""
        self._readers: list[Callable[[int, float], None]] = []
        self._last_answer = math.nan
        identity = self._identity = (settings.name, settings.version, settings.revision, settings.slot)
        info = Info(INFO_METRIC, "Whose answers are counted here.", registry=self._registry)
        info.info(_owner(settings).labels())
        self._judged.register(info)
        rejected = Counter(
            "viridian_rejected_inputs", "Refused inputs by reason.", (*_LABELS, "reason"), registry=self._registry
        )
        gauge = Gauge(
            "viridian_requests_in_flight", "Inference requests being answered.", _LABELS, registry=self._registry
        )
        gauge.labels(*identity).set_function(in_flight)
        waiting = Gauge(
            "viridian_requests_waiting", "Inference requests that wait for a thread.", _LABELS, registry=self._registry
        )
        waiting.labels(*identity).set_function(lambda: work.waiting)
        unanswered = Counter(
            "viridian_unanswered_requests", "Requests without an answer, by reason.", (*_LABELS, "reason"),
            registry=self._registry,
        )  # fmt: skip
        self._unanswered: dict[type[NoAnswer], Counter] = {
            kind: unanswered.labels(*identity, kind.__name__) for kind in (Busy, TurnMissed, TookTooLong)
        }
        self.include(lambda names, values: [_together(names, values, work.together)])
        # Children are resolved once: looking them up by label values costs more than counting.
        self._rejected = {reason: rejected.labels(*identity, reason.value) for reason in Rejection}
        self._users = self._answers(REQUESTS_METRIC, DURATION_METRIC, "Inference requests")
        self._copies = self._answers(COPIED_REQUESTS_METRIC, COPIED_DURATION_METRIC, "Copies of a champion's requests")
        quiet = Gauge(
            LAST_ANSWER_METRIC, "Seconds since the last inference request was answered.", _LABELS,
            registry=self._registry,
        )  # fmt: skip
        quiet.labels(*identity).set_function(lambda: time.monotonic() - self._last_answer)
        self._judged.register(quiet)

    def _answers(self, requests: str, duration: str, what: str) -> _Answers:
        codes = Counter(requests, f"{what} by class of status code.", (*_LABELS, "code"), registry=self._registry)
        seconds = Histogram(
            duration,
            f"{what}: seconds from the last byte to the answer.",
            _LABELS,
            buckets=LATENCY_BOUNDS,
            registry=self._registry,
        )
        for metric in (codes, seconds):
            self._judged.register(metric)
        return _Answers(
            {int(code[0]): codes.labels(*self._identity, code.value) for code in CodeClass},
            seconds.labels(*self._identity),
        )

    def include(self, families: Families) -> None:
        """Adds these to the exposed metrics."""
        self._registry.register(_Late(lambda: families(_LABELS, self._identity)))

    def answered(self, status: int, seconds: float, copied: bool) -> None:
        """One inference request got its answer. Copies of a champion's requests are no user's requests."""
        answers = self._copies if copied else self._users
        answers.codes[status // 100].inc()
        answers.seconds.observe(seconds)
        if not copied:
            self._last_answer = time.monotonic()
        for reader in self._readers:
            reader(status, seconds)

    @contextmanager
    def watched_by(self, reader: Callable[[int, float], None]) -> Iterator[None]:
        """For that long the status and the seconds of each answer are given to `reader`."""
        self._readers.append(reader)
        try:
            yield
        finally:
            self._readers.remove(reader)

    def unanswered(self, error: NoAnswer) -> None:
        """One request found no room, or no answer in time."""
        self._unanswered[type(error)].inc()

    def rejected(self, reason: Rejection) -> None:
        """One input was refused."""
        self._rejected[reason].inc()

    def render(self) -> bytes:
        """All of it as Prometheus text."""
        return generate_latest(self._registry)

    def render_judged(self) -> bytes:
        """What a judge reads of it."""
        return generate_latest(self._judged)


def _owner(settings: ServerSettings) -> Identity:
    return Identity(
        namespace=settings.namespace,
        deployment=settings.deployment,
        slot=settings.slot,
        revision=settings.revision,
        pod=settings.pod,
    )


@dataclass(frozen=True, slots=True)
class _Answers:
    """The series of one kind of requests."""

    codes: dict[int, Counter]
    seconds: Histogram


@dataclass(frozen=True, slots=True)
class _Late(Collector):
    """Metrics that are made when they are asked for."""

    families: Callable[[], Iterable[Metric]]

    def collect(self) -> Iterable[Metric]:
        return self.families()


def _together(names: Sequence[str], values: Sequence[str], count: int) -> Metric:
    family = CounterMetricFamily(
        "viridian_requests_together", "Requests that were answered in one call of the model with others.", labels=names
    )
    family.add_metric(values, count)
    return family

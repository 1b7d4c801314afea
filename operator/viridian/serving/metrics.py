"""The server's own metrics, as the operator and Prometheus read them."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from viridian.api.samples import DURATION_METRIC, LATENCY_BOUNDS, REQUESTS_METRIC, CodeClass
from viridian.serving.errors import Rejection
from viridian.serving.settings import Settings

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_LABELS = ("model", "version", "revision", "slot")


class Metrics:
    """Every series exists from the start with the value 0, so that a rate can be taken of the first error."""

    def __init__(self, settings: Settings, in_flight: Callable[[], float]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry(auto_describe=False)
        identity = (settings.name, settings.version, settings.revision, settings.slot)
        requests = Counter(
            REQUESTS_METRIC, "Inference requests by class of status code.", (*_LABELS, "code"), registry=self._registry
        )
        rejected = Counter(
            "viridian_rejected_inputs", "Refused inputs by reason.", (*_LABELS, "reason"), registry=self._registry
        )
        duration = Histogram(
            DURATION_METRIC,
            "Seconds from the last byte of an inference request to its answer.",
            _LABELS,
            buckets=LATENCY_BOUNDS,
            registry=self._registry,
        )
        gauge = Gauge(
            "viridian_requests_in_flight", "Inference requests being answered.", _LABELS, registry=self._registry
        )
        gauge.labels(*identity).set_function(in_flight)
        # Children are resolved once: looking them up by label values costs more than counting.
        self._requests = {int(code[0]): requests.labels(*identity, code.value) for code in CodeClass}
        self._rejected = {reason: rejected.labels(*identity, reason.value) for reason in Rejection}
        self._duration = duration.labels(*identity)

    def answered(self, status: int, seconds: float) -> None:
        """One inference request got its answer."""
        self._requests[status // 100].inc()
        self._duration.observe(seconds)

    def rejected(self, reason: Rejection) -> None:
        """One input was refused."""
        self._rejected[reason].inc()

    def render(self) -> bytes:
        """All of it as Prometheus text."""
        return generate_latest(self._registry)

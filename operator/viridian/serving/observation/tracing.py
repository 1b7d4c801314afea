"""Traces by OpenTelemetry, when OTEL_EXPORTER_OTLP_ENDPOINT is set: one span for each prediction request.

The span is made when the answer was sent, from times that were taken anyway, and is exported by the library's own
thread. Where it is not asked for, the library is not even imported.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from viridian import __version__
from viridian.serving.protocols.prediction_request import Head
from viridian.serving.server_settings import ServerSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_FAULT: Final = 500


def wanted(environment: Mapping[str, str]) -> bool:
    """An endpoint for traces is configured, and tracing is not disabled."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and any(environment.get(name) for name in _ENDPOINTS)


class Tracing:
    """Reads the library's own variables: endpoint, headers, sampler, resource attributes."""

    def __init__(self, settings: ServerSettings, exporter: SpanExporter | None = None) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create({"service.name": settings.name, "service.version": settings.version})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("viridian.serving", __version__)
        self._parent = TraceContextTextMapPropagator()
        self._kind, self._failed = SpanKind.SERVER, Status(StatusCode.ERROR)
        self._identity = {"viridian.revision": settings.revision, "viridian.slot": settings.slot}

    def note(self, path: str, head: Head, prediction: str, status: int, seconds: float) -> None:
        """One request that was answered just now."""
        end = time.time_ns()
        span = self._tracer.start_span(
            f"POST {path}",
            context=self._parent.extract({"traceparent": head.traceparent}),
            kind=self._kind,
            start_time=end - int(seconds * 1e9),
            attributes={
                **self._identity,
                "http.request.method": "POST",
                "url.path": path,
                "http.response.status_code": status,
                "viridian.prediction_id": prediction,
            },
        )
        if status >= _FAULT:
            span.set_status(self._failed)
        span.end(end)

    def close(self) -> None:
        """Exports what is left; waits for it."""
        self._provider.shutdown()

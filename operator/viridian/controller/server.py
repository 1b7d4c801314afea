"""The small HTTP server for `/metrics` and `/readyz`. Liveness is Kopf's own endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from aiohttp import web

from viridian.controller.telemetry import CONTENT_TYPE
from viridian.sockets import listen_everywhere


def all_addresses(environment: Mapping[str, str]) -> str:
    """As an address has it, of the family in which the kubelet probes: Kopf's endpoint listens on one family alone.

    The first address of a pod has the family that the first address of a Service has.
    """
    return "[::]" if ":" in environment.get("KUBERNETES_SERVICE_HOST", "") else "0.0.0.0"  # noqa: S104


class MetricsServer:
    """Serves on all addresses until closed."""

    def __init__(self, port: int, *, metrics: Callable[[], Iterable[bytes]], unready: Callable[[], str]) -> None:
        self._port = port
        self._metrics = metrics
        self._unready = unready
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application()
        application.add_routes([web.get("/metrics", self._answer_metrics), web.get("/readyz", self._answer_ready)])
        self._runner = web.AppRunner(application, handle_signals=False, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listen_everywhere(self._port)).start()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port that was chosen, where 0 was asked for."""
        addresses = self._runner.addresses if self._runner is not None else []
        return int(addresses[0][1]) if addresses else self._port

    async def _answer_metrics(self, request: web.Request) -> web.StreamResponse:
        """In slices, between which the loop goes on: a scrape of thousands of objects must delay no revert."""
        response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE})
        await response.prepare(request)
        for text in self._metrics():
            await response.write(text)
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    async def _answer_ready(self, _: web.Request) -> web.Response:
        problem = self._unready()
        return web.Response(status=503 if problem else 200, text=f"{problem or 'ready'}\n")

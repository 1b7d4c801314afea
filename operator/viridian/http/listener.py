"""One port of a process: uvicorn, without its signals, its logs and its own idea of when to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Collection, Iterator
from typing import Final, cast

import uvicorn

from viridian.http.bounds import Bounds
from viridian.http.config import BACKLOG, Application, HttpConfig
from viridian.http.connection import HttpConnection
from viridian.sockets import listen_everywhere
from viridian.tls import Certificate

_TICKS: Final = 5
"""uvicorn ticks ten times a second; every so many ticks, connections are looked at."""
_RENEWAL_TICKS: Final = 50
"""A renewed certificate is looked for every 5 seconds."""

log = logging.getLogger(__name__)


class Listener(uvicorn.Server):
    """Serves one ASGI application on one socket until `stop`; OSError where that cannot be had."""

    def __init__(
        self,
        application: Application,
        host: str,
        port: int,
        bounds: Bounds,
        grace_seconds: float,
        certificate: Certificate | None = None,
    ) -> None:
        tls = certificate.context if certificate is not None else None
        super().__init__(HttpConfig(application, HttpConnection, bounds, grace_seconds, tls))
        self._certificate = certificate
        self._socket = bind(host, port)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    @property
    def open_connections(self) -> Collection[HttpConnection]:
        """The connections that are open now; stays up to date."""
        return cast(Collection[HttpConnection], self.server_state.connections)

    async def run_until_stopped(self) -> None:
        """Accept and answer; after `stop`, finish what was begun."""
        await self.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Accept nothing more, finish what was begun, then end."""
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Also end what takes too long."""
        if counter % _TICKS == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.open_connections):
                connection.sweep(now)
        if self._certificate is not None and counter % _RENEWAL_TICKS == 0 and (problem := self._certificate.renew()):
            log.warning(problem)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process has a signal handler of its own."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; without a host on all addresses of both families, where there are both."""
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    return listen_everywhere(port, BACKLOG)

"""A port of receiver or dashboard: aiohttp with bounds on what a client may take of the process."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Final

from aiohttp import web

from viridian.sockets import listen_everywhere
from viridian.tls import Certificate

log = logging.getLogger("viridian.site")

CONNECTIONS: Final = 100
"""That are open at a time; more are answered with 503. Each may hold a whole body in memory."""
HEAD_SECONDS: Final = 10.0
"""For the head of a request to arrive, and between two requests of a connection."""
_HEADERS: Final = 64
_LINGER_SECONDS: Final = 2.0
_RENEWAL_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 1.0
_BACKLOG: Final = 1024
_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BoundedSite:
    """Serves one application on all addresses until closed."""

    def __init__(self, application: web.Application, port: int, certificate: Certificate | None = None) -> None:
        self._port = port
        self._certificate = certificate
        self._runner = web.AppRunner(
            application,
            handle_signals=False,
            access_log=None,
            logger=_unlogged(),
            shutdown_timeout=_STOP_SECONDS,
            keepalive_timeout=HEAD_SECONDS,
            lingering_time=_LINGER_SECONDS,
            max_headers=_HEADERS,
            auto_decompress=False,
        )
        self._server: asyncio.Server | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """OSError where the port cannot be had."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._accept, sock=listen_everywhere(self._port, _BACKLOG), ssl=self._context()
        )
        if self._certificate is not None:
            self._renewal = loop.create_task(self._renew(self._certificate))

    async def close(self) -> None:
        """Accept nothing more, and give requests under way a moment: what is not acknowledged is sent again."""
        if self._renewal is not None:
            self._renewal.cancel()
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port that was chosen, where 0 was asked for."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server is not None else self._port

    def _context(self) -> ssl.SSLContext | None:
        return self._certificate.context if self._certificate is not None else None

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None or len(server.connections) >= CONNECTIONS:
            return _NoRoom()
        return server()

    async def _renew(self, certificate: Certificate) -> None:
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            if problem := certificate.renew():
                log.warning(problem)


def _unlogged() -> logging.Logger:
    """For aiohttp, which quotes a head that it cannot read, and with it what a header says."""
    quiet = logging.getLogger("viridian.site.aiohttp")
    quiet.setLevel(logging.CRITICAL + 1)
    return quiet


class _NoRoom(asyncio.Protocol):
    """A connection above the limit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(_FULL)
        transport.close()

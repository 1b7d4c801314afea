"""One port of the process: uvicorn, without its signals, its logs and its own idea of when to stop."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Any, Final

import uvicorn

from viridian.serving.connections import IdleAwareProtocol
from viridian.serving.errors import ServingError

IDLE_SECONDS: Final = 620
"""Longer than load balancers and clients keep an idle connection, so that it is never us who close under a request."""
_BACKLOG: Final = 2048


class Listener(uvicorn.Server):
    """Serves one ASGI application on one socket until `stop`."""

    def __init__(self, application: Callable[..., Awaitable[None]], host: str, port: int, grace_seconds: float) -> None:
        config = uvicorn.Config(
            application,
            http=IdleAwareProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=max(1, round(grace_seconds)),
            backlog=_BACKLOG,
        )
        super().__init__(config)
        self._socket = bind(host, port)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    @property
    def open_connections(self) -> Collection[Any]:
        """The connections that are open now; stays up to date."""
        return self.server_state.connections

    async def run_until_stopped(self) -> None:
        """Accept and answer; after `stop`, finish what was begun."""
        await self.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Accept nothing more, finish what was begun, then end."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process has two listeners and one signal handler of its own."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; without a host on all addresses of both families, where there are both."""
    try:
        if host:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, port), family=family, backlog=_BACKLOG)
        return _bind_all(port)
    except OSError as error:
        raise ServingError(f"cannot listen on port {port}: {error.strerror or error}") from error


def _bind_all(port: int) -> socket.socket:
    """All addresses: of both families where the kernel has both, else IPv4 alone."""
    with contextlib.suppress(OSError):
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
    return socket.create_server(("", port), backlog=_BACKLOG)

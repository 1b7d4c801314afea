"""uvicorn's configuration, with the bounds that it does not know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ssl import SSLContext
from typing import Any, Final

import uvicorn

from viridian.http.bounds import Bounds

IDLE_SECONDS: Final = 620
"""Longer than load balancers and clients keep an idle connection, so that it is never us who close under a request."""
BACKLOG: Final = 2048

Application = Callable[[Any, Any, Any], Awaitable[None]]


class HttpConfig(uvicorn.Config):
    """For one port: no logs, no signals, no lifespan."""

    def __init__(
        self,
        application: Application,
        http: type[Any],
        bounds: Bounds,
        grace_seconds: float,
        tls: SSLContext | None = None,
    ) -> None:
        super().__init__(
            application,
            http=http,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=max(1, round(grace_seconds)),
            backlog=BACKLOG,
        )
        self.bounds = bounds
        self._tls = tls

    def load(self) -> None:
        """With our own context: one that uvicorn makes cannot take a renewed certificate."""
        super().load()
        self.ssl = self._tls

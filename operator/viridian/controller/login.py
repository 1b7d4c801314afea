"""How Kopf gets into the API server: by a session of ours, with the same credentials and counted alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import kopf

from viridian.controller.tracing import trace
from viridian.ports.api_client import USER_AGENT, OnCall
from viridian.ports.connection import ApiConnection

EXPIRES_AFTER = timedelta(minutes=10)
"""The token of a service account is replaced while the pod runs, and Kopf would read it again only after a refusal."""


def login(
    connection: ApiConnection, *, called: OnCall, watching: Callable[[str], None], listing: Callable[[str], None]
) -> Callable[[], Awaitable[kopf.AiohttpSession]]:
    """A login handler; Kopf closes the sessions."""

    async def log_in() -> kopf.AiohttpSession:
        token = connection.read_token()
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=connection.ssl_context()),
            headers={"User-Agent": USER_AGENT, **({"Authorization": f"Bearer {token}"} if token else {})},
            trace_configs=[trace(called, watching=watching, listing=listing)],
        )
        return kopf.AiohttpSession(
            server=connection.server,
            default_namespace=connection.namespace,
            aiohttp_session=session,
            expiration=datetime.now(UTC) + EXPIRES_AFTER,
        )

    return log_in

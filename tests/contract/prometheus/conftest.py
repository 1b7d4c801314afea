"""A real Prometheus, started once, that knows a few series of the afternoon of 20 November 2026."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.contract.prometheus.afternoon import METRICS
from tests.support.prometheus_server import prometheus
from viridian.ports.http_sessions import session as http_session
from viridian.ports.prometheus import HttpPrometheus


@pytest.fixture(scope="session")
def prometheus_server() -> Iterator[str]:
    with prometheus(METRICS) as address:
        yield f"http://{address}"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with http_session() as made:
        yield made


@pytest.fixture
def port(session: aiohttp.ClientSession, prometheus_server: str) -> HttpPrometheus:
    return HttpPrometheus(session, prometheus_server, None)

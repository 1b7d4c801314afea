"""The event sink over HTTP: what is sent, with which token, and what each answer means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from viridian.ports.event_sink import HttpEventSink, SinkError, SinkRefused, SinkUnavailable
from viridian.ports.http_sessions import session as http_session

EVENT = {"specversion": "1.0", "id": "a", "data": {"message": "größer → 10"}}


class Sink:
    """Answers with a status, and remembers what came."""

    def __init__(self) -> None:
        self.status = 202
        self.came: list[tuple[dict[str, str], Any]] = []
        application = web.Application()
        application.router.add_post("/{tail:.*}", self._take)
        self.server = TestServer(application)

    async def _take(self, request: web.Request) -> web.Response:
        self.came.append((dict(request.headers), await request.json()))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})

    def address(self) -> str:
        return f"{self.server.make_url('/ml')}?key=secret"


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    made = Sink()
    await made.server.start_server()
    yield made
    await made.server.close()


async def send(address: str, token: Path | None = None) -> None:
    async with http_session() as opened:
        await HttpEventSink(opened, address, token).send(EVENT)


async def test_an_event_is_one_document_in_structured_mode(sink: Sink) -> None:
    await send(sink.address())
    ((headers, body),) = sink.came
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert "Authorization" not in headers
    assert body == EVENT


async def test_the_token_is_read_each_time(sink: Sink, tmp_path: Path) -> None:
    token = tmp_path / "token"
    for value in ("one", "two"):
        token.write_text(f"{value}\n")
        await send(sink.address(), token)
    assert [headers["Authorization"] for headers, _ in sink.came] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (200, None), (204, None), (301, SinkRefused), (400, SinkRefused), (401, SinkRefused), (413, SinkRefused),
        (408, SinkUnavailable), (429, SinkUnavailable), (500, SinkUnavailable), (503, SinkUnavailable),
    ],
)  # fmt: skip
async def test_what_an_answer_means(sink: Sink, status: int, failure: type[SinkError] | None) -> None:
    sink.status = status
    if failure is None:
        await send(sink.address())
        return
    with pytest.raises(failure, match=f"answered {status}") as raised:
        await send(sink.address())
    assert "secret" not in str(raised.value)
    assert len(sink.came) == 1, "a redirect is not followed"


async def test_a_sink_that_nobody_runs_is_unavailable_and_its_query_is_concealed(sink: Sink) -> None:
    address = sink.address()
    await sink.server.close()
    with pytest.raises(SinkUnavailable) as raised:
        await send(address)
    assert "secret" not in str(raised.value)

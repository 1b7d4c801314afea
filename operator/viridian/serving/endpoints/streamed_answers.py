"""Streams of samples for the operator: it learns of a bad answer as soon as that was given."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from viridian.api.answer_stream import END_OF_PART, HEARTBEAT_SECONDS, StreamOrder
from viridian.http.bodies import Receive
from viridian.serving.asgi_responses import Send, error_body, send_answer
from viridian.serving.server_metrics import CONTENT_TYPE, ServerMetrics

MAX_STREAMS: Final = 8
"""Of one server. The operator opens one; a former leader may have left one for a while."""
GAP_SECONDS: Final = 0.05
"""Between two parts: bad answers that come faster share one."""
_SERVER_ERROR: Final = 500


@dataclass(eq=False, slots=True)
class _OpenStream:
    """The operator at the other end of a stream."""

    slow_seconds: float | None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def answered(self, status: int, seconds: float) -> None:
        slow = self.slow_seconds is not None and seconds > self.slow_seconds
        if slow or status >= _SERVER_ERROR:
            self.news.set()


class StreamedAnswers:
    """The streams of one server. Without a reader an answer costs nothing more."""

    def __init__(self, metrics: ServerMetrics) -> None:
        self._metrics = metrics
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, order: StreamOrder, receive: Receive, send: Send) -> None:
        """One stream, until its time is over, the reader is gone or the server ends."""
        if len(self._open) >= MAX_STREAMS:
            await send_answer(send, 503, error_body(f"{MAX_STREAMS} streams are open already"), [])
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", CONTENT_TYPE)]})
        sending = asyncio.create_task(self._send_parts(order, send))
        leaving = asyncio.create_task(_gone(receive))
        self._open.add(sending)
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(sending)
            for task in (sending, leaving):
                task.cancel()
        if sending.done() and not sending.cancelled():
            sending.result()
        if not leaving.done():
            await send({"type": "http.response.body", "body": b""})

    def end(self) -> None:
        """The server ends."""
        for sending in self._open:
            sending.cancel()

    async def _send_parts(self, order: StreamOrder, send: Send) -> None:
        loop, reader = asyncio.get_running_loop(), _OpenStream(order.slow_seconds)
        until = loop.time() + order.for_seconds
        with self._metrics.watched_by(reader.answered):
            while (left := until - loop.time()) > 0:
                reader.news.clear()
                part = self._metrics.render_judged() + END_OF_PART
                await send({"type": "http.response.body", "body": part, "more_body": True})
                await asyncio.sleep(GAP_SECONDS)
                await _within(min(left, HEARTBEAT_SECONDS), reader.news)


async def _within(seconds: float, news: asyncio.Event) -> None:
    """Until there is news, or so long."""
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return


async def _gone(receive: Receive) -> None:
    """Until the reader has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass

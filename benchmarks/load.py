"""Load from one process over kept-alive connections, where every answer is checked.

Closed loop: each connection asks again as soon as it has its answer. Only 127.0.0.1 is ever asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httptools
import msgspec

MAX_CONNECTIONS = 256
MAX_SECONDS = 600.0
PATIENCE = 30.0
"""How long after the end an answer may still take, in seconds."""

Read = Callable[[Any], Any]
"""From the JSON of an answer to what it predicts."""


@dataclass(frozen=True)
class Question:
    """A whole HTTP request, and what a correct answer predicts."""

    request: bytes
    expected: Any


@dataclass
class Answers:
    """What came back, and when."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Answers that were wrong, and connections that ended; the first few in words."""
    failed: int = 0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def milliseconds(self, percent: float) -> float:
        """The latency that so many percent of the answers did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000

    def fail(self, problem: str) -> None:
        self.failed += 1
        if len(self.problems) < 5:
            self.problems.append(problem)


def post(path: str, body: Any) -> bytes:
    """A request with this body as JSON."""
    data = msgspec.json.encode(body)
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(data)}"
    return head.encode() + b"\r\n\r\n" + data


async def closed_loop(
    port: int, questions: Sequence[Question], read: Read, *, connections: int, seconds: float
) -> Answers:
    """Asks on so many connections for so long."""
    assert 0 < connections <= MAX_CONNECTIONS
    assert 0 < seconds <= MAX_SECONDS
    answers, loop = Answers(), asyncio.get_running_loop()
    began = time.perf_counter()
    clients = [_Client(questions, number, read, answers, began + seconds) for number in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    async with asyncio.timeout(seconds + PATIENCE):
        await asyncio.gather(*(client.done for client in clients))
    answers.seconds = time.perf_counter() - began
    return answers


class _Client(asyncio.Protocol):
    """One connection: a question, its answer, the next question."""

    def __init__(self, questions: Sequence[Question], first: int, read: Read, answers: Answers, until: float) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._questions, self._read, self._answers, self._until = questions, read, answers, until
        self._next = first
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._question = self._questions[self._next % len(self._questions)]
        self._next += 1
        self._body = b""
        # One parser for each answer: httptools keeps what it knows of the last one.
        self._parser: Any = httptools.HttpResponseParser(self)
        self._asked = time.perf_counter()
        self._transport.write(self._question.request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self._answers.latencies.append(now - self._asked)
        self._check()
        if now < self._until:
            # Not from within the parser, which is still at work on these bytes.
            asyncio.get_running_loop().call_soon(self._ask)
        else:
            self._end()

    def _check(self) -> None:
        status = self._parser.get_status_code()
        if status != 200:
            self._answers.fail(f"{status}: {self._body[:200]!r}")
            return
        predicted = self._read(msgspec.json.decode(self._body))
        if predicted != self._question.expected:
            self._answers.fail(f"{predicted} instead of {self._question.expected}")

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self._answers.fail(f"the connection ended: {error}")
            self.done.set_result(None)

    def _end(self) -> None:
        self.done.set_result(None)
        self._transport.close()

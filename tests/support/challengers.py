"""Challengers that behave badly, as real servers on free ports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

POISON = b"poison"
"""Stands in everything that these challengers answer, so that it would be seen wherever it leaks to."""

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@dataclass
class Request:
    """One request as it arrived."""

    head: str
    body: bytes

    def header(self, name: str) -> str:
        """Its value, or nothing."""
        lines = (line.partition(": ") for line in self.head.split("\r\n")[1:])
        return next((value for key, _, value in lines if key.lower() == name), "")


Behaviour = Callable[[Request, Writer], Awaitable[None]]


@dataclass
class BadChallenger:
    """Reads requests well and answers them as it likes."""

    behaviour: Behaviour
    port: int = 0
    seen: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
                request = Request(head, await reader.readexactly(length))
                self.seen.append(request)
                await self.behaviour(request, writer)
        writer.transport.abort()


@contextlib.asynccontextmanager
async def challenged(behaviour: Behaviour) -> AsyncIterator[BadChallenger]:
    """The server, while it runs."""
    challenger = BadChallenger(behaviour)
    serving: set[asyncio.Task[None]] = set()

    def connected(reader: Reader, writer: Writer) -> None:
        serving.add(asyncio.create_task(challenger.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=16 * 1024 * 1024)
    challenger.port = server.sockets[0].getsockname()[1]
    try:
        yield challenger
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)


def answers(status: int, body: bytes, *headers: str) -> Behaviour:
    """Always this answer, in one piece."""
    return writes(b"\r\n".join([b"HTTP/1.1 %d X" % status, *(h.encode() for h in headers), _length(body), b"", body]))


def writes(data: bytes) -> Behaviour:
    """These bytes, whatever they are, and the connection stays open."""

    async def behave(_request: Request, writer: Writer) -> None:
        writer.write(data)
        await writer.drain()

    return behave


async def sleeps(_request: Request, _writer: Writer) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def closes(_request: Request, writer: Writer) -> None:
    """Ends the connection instead of answering."""
    writer.transport.abort()


async def closes_in_the_middle(_request: Request, writer: Writer) -> None:
    """Ends the connection with half an answer."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + POISON)
    await writer.drain()
    writer.close()


async def trickles(_request: Request, writer: Writer) -> None:
    """A good answer that never ends, byte by byte."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while not writer.is_closing():
        for byte in POISON:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.01)


async def floods(_request: Request, writer: Writer) -> None:
    """An answer without an end, as quickly as it is read."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()


def _length(body: bytes) -> bytes:
    return b"content-length: %d" % len(body)

"""One HTTP connection from a server to another pod, which trusts nothing that comes back on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httptools

from viridian.api.shadow import Failure
from viridian.serving.asgi_responses import Headers
from viridian.serving.pod_address import Target

CONNECT_SECONDS: Final = 1.0
_READ: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class PeerResponse:
    """A complete answer."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes:
        """Its first value, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name), b"")


class Failed(Exception):
    """There is no such answer."""

    def __init__(self, reason: Failure) -> None:
        super().__init__(reason.value)
        self.reason = reason


class PodConnection:
    """Asks one request at a time, on a connection that is kept while both sides like."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, path: bytes, headers: Headers, body: bytes, *, seconds: float, most: int) -> PeerResponse:
        """The answer, whatever its status; Failed instead. After a failure the next request gets a new connection.

        It has at most so many bytes, head and body, and is complete within so many seconds of the request.
        """
        received, kept = _Received(most), False
        try:
            reader, writer = await self._connected()
            async with asyncio.timeout(seconds):
                writer.write(_request(path, [(b"host", self._target.authority), *headers], body))
                await writer.drain()
                await received.complete(reader)
            kept = received.keep_alive
        except TimeoutError as error:
            raise Failed(Failure.TIME_OUT) from error
        except OSError as error:
            raise Failed(Failure.CLOSED) from error
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise Failed(Failure.MALFORMED) from error
        finally:
            if not kept:
                self.close()
        return PeerResponse(received.status, received.headers, b"".join(received.body))

    @property
    def is_open(self) -> bool:
        """Whether the next request goes to whom the last one went."""
        return self._streams is not None and not self._streams[0].at_eof()

    def close(self) -> None:
        """At once: what was not sent yet is thrown away."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            # It was idle when the other side ended it: that is no failure of a request.
            self.close()
        if self._streams is None:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    self._streams = await asyncio.open_connection(self._target.host, self._target.port, limit=_READ)
            except (OSError, UnicodeError) as error:
                raise Failed(Failure.CONNECT) from error
        return self._streams


def _request(path: bytes, headers: Headers, body: bytes) -> bytes:
    lines = [name + b": " + value for name, value in (*headers, (b"content-length", str(len(body)).encode()))]
    return b"\r\n".join((b"POST " + path + b" HTTP/1.1", *lines, b"", body))


class _Received:
    """What the parser has understood of an answer so far."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.status = 0
        self.headers: Headers = []
        self.body: list[bytes] = []
        self.keep_alive = False
        self._ended = False
        self._parser: Any = httptools.HttpResponseParser(self)

    async def complete(self, reader: asyncio.StreamReader) -> None:
        """Reads to the end of the answer."""
        size = 0
        while not self._ended:
            data = await reader.read(_READ)
            size += len(data)
            if not data:
                raise Failed(Failure.CLOSED)
            if size > self._most:
                raise Failed(Failure.TOO_LARGE)
            self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        if self._ended:
            raise ValueError("there is more than one answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.keep_alive = self._parser.should_keep_alive()
        self._ended = True

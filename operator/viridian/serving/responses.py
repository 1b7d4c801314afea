"""Answers over ASGI, and the reading of request bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: Final = b"application/json"
HTML: Final = b"text/html; charset=utf-8"
BINARY: Final = b"application/octet-stream"
CLOSE: Final = (b"connection", b"close")
_PATIENCE: Final = 4
"""How many times the limit is read and thrown away, so that a client hears the refusal instead of a broken pipe."""


class Reply(NamedTuple):
    """What is answered, before the headers that every answer has."""

    status: int
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()
    media: bytes = JSON


class Disconnected(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class BodyTooLarge(Exception):
    """The body is longer than the limit; `complete` tells whether it was read to its end."""

    def __init__(self, complete: bool) -> None:
        super().__init__("the body is too large")
        self.complete = complete


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


async def read_body(receive: Receive, limit: int, seconds: float | None = None) -> bytes:
    """The whole body."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False) and len(body) <= limit:
        return body
    try:
        # Only for bodies in pieces: most come in one, and a timer for each would cost more than reading it.
        async with asyncio.timeout(seconds):
            return await _rest(message, receive, limit)
    except TimeoutError as error:
        raise BodyTooSlow from error


async def _rest(message: MutableMapping[str, Any], receive: Receive, limit: int) -> bytes:
    parts = [message.get("body", b"")]
    size = len(parts[0])
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            parts.clear()
        else:
            parts.append(part)
        if size > limit * _PATIENCE:
            raise BodyTooLarge(complete=False)
    if message["type"] != "http.request":
        raise Disconnected
    if size > limit:
        raise BodyTooLarge(complete=True)
    return b"".join(parts)


async def send_answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """One complete answer."""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def error_body(message: str, **fields: str) -> bytes:
    """The protocol's error object: `error` is the sentence, the rest is for programs."""
    return msgspec.json.encode({"error": message, **fields})

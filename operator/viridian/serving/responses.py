"""Answers over ASGI, and the reading of request bodies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: Final = b"application/json"
CLOSE: Final = (b"connection", b"close")
_PATIENCE: Final = 4
"""How many times the limit is read and thrown away, so that a client hears the refusal instead of a broken pipe."""


class Disconnected(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class BodyTooLarge(Exception):
    """The body is longer than the limit; `complete` tells whether it was read to its end."""

    def __init__(self, complete: bool) -> None:
        super().__init__("the body is too large")
        self.complete = complete


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False) and len(body) <= limit:
        return body
    parts, size = [body], len(body)
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

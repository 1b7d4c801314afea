"""Answers over ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: Final = b"application/json"
HTML: Final = b"text/html; charset=utf-8"
BINARY: Final = b"application/octet-stream"
CLOSE: Final = (b"connection", b"close")


class Reply(NamedTuple):
    """What is answered, before the headers that every answer has."""

    status: int
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()
    media: bytes = JSON


async def send_answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """One complete answer."""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def error_body(message: str, **fields: str) -> bytes:
    """The protocol's error object: `error` is the sentence, the rest is for programs."""
    return msgspec.json.encode({"error": message, **fields})

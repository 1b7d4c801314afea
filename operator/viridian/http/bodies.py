"""Reading the body of a request, within bounds of size and time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

SLOW: Final = "viridian.http.slow"
"""Set in the scope of a request whose body did not arrive in time: what `receive` gives then is not all of it."""
LENGTH: Final = b"content-length"
_MOST_DIGITS: Final = 20


class Disconnected(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class BodyTooLarge(Exception):
    """The body is longer than the limit."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


async def read_body(scope: Scope, receive: Receive, limit: int, announced: int) -> bytes:
    """The whole body. One that is announced to be too large is not even asked for."""
    if announced > limit:
        raise BodyTooLarge
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        parts = [body]
        size = len(body)
        while message.get("more_body", False) and size <= limit:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        body = b"".join(parts)
    if message["type"] != "http.request":
        raise Disconnected
    if len(body) > limit:
        raise BodyTooLarge
    if SLOW in scope:
        raise BodyTooSlow
    return body


def announced_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """What Content-Length says; 0 where there is none."""
    return length(next((value for name, value in headers if name == LENGTH), b""))


def length(value: bytes) -> int:
    """A Content-Length as a number; 0 for what is none."""
    return int(value) if value.isdigit() and len(value) <= _MOST_DIGITS else 0

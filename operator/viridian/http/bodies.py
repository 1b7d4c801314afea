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


class NoRoom(Exception):
    """The bodies that are arriving now take all the memory that they may."""


class BodyRoom:
    """Memory for the bodies that are arriving on one port. The first bytes of each are free: small ones always fit."""

    FREE: Final = 64 * 1024

    def __init__(self, size: int) -> None:
        self._left = size

    def grow(self, before: int, now: int) -> None:
        """A body has grown; NoRoom where it must not."""
        more = max(0, now - self.FREE) - max(0, before - self.FREE)
        if more > self._left:
            raise NoRoom
        self._left -= more

    def free(self, size: int) -> None:
        """A body of this size is not arriving any more."""
        self._left += max(0, size - self.FREE)


async def read_body(scope: Scope, receive: Receive, limit: int, announced: int, room: BodyRoom | None = None) -> bytes:
    """The whole body. One that is announced to be too large is not even asked for."""
    if announced > limit:
        raise BodyTooLarge
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        body, message = await _rest(body, message, receive, limit, room or BodyRoom(2 * limit + BodyRoom.FREE))
    if message["type"] != "http.request":
        raise Disconnected
    if len(body) > limit:
        raise BodyTooLarge
    if SLOW in scope:
        raise BodyTooSlow
    return body


async def _rest(
    body: bytes, message: MutableMapping[str, Any], receive: Receive, limit: int, room: BodyRoom
) -> tuple[bytes, MutableMapping[str, Any]]:
    """The body as far as it comes, or just beyond the limit, and the last message about it."""
    parts, size, counted = [body], len(body), 0
    try:
        while True:
            room.grow(counted, size)
            counted = size
            if not message.get("more_body", False) or size > limit:
                return b"".join(parts), message
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
    finally:
        room.free(counted)


def announced_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """What Content-Length says; 0 where there is none."""
    return length(next((value for name, value in headers if name == LENGTH), b""))


def length(value: bytes) -> int:
    """A Content-Length as a number; 0 for what is none."""
    return int(value) if value.isdigit() and len(value) <= _MOST_DIGITS else 0

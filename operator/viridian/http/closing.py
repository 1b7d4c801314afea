"""Closing a connection so that the client sees the last answer, whatever it is still sending.

A socket that is closed while bytes are on their way to it answers them with a reset, and a reset takes from the client
what it has not read yet: the answer. So a connection is closed in stages (RFC 9112, 9.6): after the answer our side
ends; what comes from the client is read and dropped; when the client ends its side too, or when a bound is reached, the
connection is gone.
"""

from __future__ import annotations

import asyncio
from typing import Any

from viridian.http.bounds import LEAVING_LINGER_SECONDS, LINGER_BYTES, LINGER_SECONDS, QUIET_SECONDS, UNREAD_SECONDS


class StagedTransport:
    """A transport as uvicorn uses it, of which `close` closes in stages and `end` at once."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self.half_closes = transport.can_write_eof()
        """Whether one side can end before the other: not with TLS, which closes in its own way."""
        self.closing = False
        """Nothing more is answered."""
        self._ended_by_client = False
        self._longest = LINGER_SECONDS
        self._began = self._last = 0.0
        self._dropped = 0
        self._unsent = 0
        self._progress = 0.0
        self._timer: asyncio.TimerHandle | None = None
        # Bound here once: they are called for each answer.
        self.write = transport.write
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info

    def is_closing(self) -> bool:
        """Nothing more is answered."""
        return self.closing or self._transport.is_closing()

    def close(self) -> None:
        """What was written is sent; then our side ends, and what the client still sends is dropped."""
        if self.is_closing():
            return
        self.closing = True
        self.write = _drop
        if self._ended_by_client or not self.half_closes:
            self._transport.close()
            return
        self._transport.resume_reading()
        self._transport.write_eof()
        self._last = 0.0  # what was dropped before the answer is no sign of a client that lingers
        self._watch()

    def drop(self, data: bytes) -> None:
        """The client goes on sending."""
        self._last = self._loop.time()
        self._dropped += len(data)
        if self._dropped > LINGER_BYTES:
            self._transport.abort()

    def client_ended(self) -> None:
        """The client sends nothing more: there is nothing to wait for once our side ends."""
        self._ended_by_client = True

    def hurry(self) -> None:
        """The process ends: what is left of closing takes a moment at most."""
        self._longest = LEAVING_LINGER_SECONDS
        if self._timer is not None:
            self._watch()

    def end(self) -> None:
        """Without stages: for connections on which nothing happens."""
        self.closing = True
        self._transport.close()

    def abort(self) -> None:
        """At once, with what was not sent yet."""
        self.closing = True
        self._transport.abort()

    def gone(self) -> None:
        """The connection is no more."""
        self.closing = True
        self.write = _drop
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        now = self._loop.time()
        if self._still_sending(now):
            until = min(now + 1.0, self._progress + UNREAD_SECONDS)
        else:
            until = self._lingers_until(now)
        if now >= until:
            self._transport.abort()
        else:
            self._timer = self._loop.call_at(until, self._watch)

    def _still_sending(self, now: float) -> bool:
        """The client has not taken the whole answer yet."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._progress = unsent, now
        return unsent > 0

    def _lingers_until(self, now: float) -> float:
        self._began = self._began or now
        self._last = self._last or now
        return min(self._began + self._longest, self._last + QUIET_SECONDS)


def _drop(data: Any) -> None:
    """In the place of `write` once our side has ended."""

"""Kept-alive connections: when they end, and how none of them ends under a request.

A Service decides per connection, not per request. A client that keeps its connection stays with a pod for as long as
the pod lets it, whatever the selector says by now; so moving traffic means ending connections.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from viridian.api.samples import Idle

if TYPE_CHECKING:
    import asyncio


class Connection(Protocol):
    """What is needed of an open connection."""

    transport: asyncio.Transport

    @property
    def idle(self) -> bool:
        """No request is being read or answered."""

    def end_when_stalled(self, seconds: float) -> None:
        """End now when a head has been arriving for longer than that."""


class IdleAwareProtocol(HttpToolsProtocol):
    """uvicorn's protocol that also knows of a request whose head has arrived only in part."""

    _begun: float | None = None
    """When the first byte came of a head that is not complete."""

    @property
    def idle(self) -> bool:
        """No request is being read or answered, and none waits unread in the socket."""
        busy = self._begun is not None or (self.cycle is not None and not self.cycle.response_complete)
        return not busy and not _readable(self.transport)

    def on_message_begin(self) -> None:
        self._begun = time.monotonic()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._begun = None

    def end_when_stalled(self, seconds: float) -> None:
        """End now when a head has been arriving for longer than that: nobody sends so slowly on purpose."""
        if self._begun is not None and time.monotonic() - self._begun > seconds:
            self.transport.close()

    def shutdown(self) -> None:
        """End now when idle; otherwise after the answer, which then says so."""
        if self.idle:
            self.transport.close()
        elif self.cycle is not None:
            self.cycle.keep_alive = False


class Connections:
    """Says whether answers end their connections, and ends the idle ones."""

    def __init__(self) -> None:
        self._until = 0.0
        self._for_good = False
        self._open: Iterable[object] = ()

    def watch(self, open_connections: Iterable[object]) -> None:
        """From now on, these are the open connections: a collection that its owner keeps up to date."""
        self._open = open_connections

    @property
    def closing(self) -> bool:
        """The next answer on each connection is its last."""
        return self._for_good or (self._until > 0.0 and time.monotonic() < self._until)

    def close_for(self, seconds: float, idle: Idle) -> None:
        """For that long each answer ends its connection. Repeated, the later end counts."""
        self._until = max(self._until, time.monotonic() + seconds)
        if idle is Idle.CLOSE:
            self.close_idle()

    def close_for_good(self) -> None:
        """From now on each answer ends its connection."""
        self._for_good = True

    def end_stalled(self, seconds: float) -> None:
        """Connections end on which the head of a request has been arriving for longer than that."""
        for connection in list(self._open):
            cast(Connection, connection).end_when_stalled(seconds)

    def close_idle(self) -> None:
        """Connections on which nothing happens end at once."""
        for connection in list(self._open):
            if cast(Connection, connection).idle:
                cast(Connection, connection).transport.close()


def _readable(transport: asyncio.Transport) -> bool:
    """Bytes have arrived that were not read yet: closing now would throw a request away."""
    sock = transport.get_extra_info("socket")
    if sock is None or transport.is_closing():
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))

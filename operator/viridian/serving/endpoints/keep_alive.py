"""Kept-alive connections: when they end.

A Service decides per connection, not per request. A client that keeps its connection stays with a pod for as long as
the pod lets it, whatever the selector says by now; so moving traffic means ending connections.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Protocol

from viridian.api.samples import Idle


class Connection(Protocol):
    """What is needed of an open connection."""

    @property
    def idle(self) -> bool:
        """No request is being read or answered."""

    def end(self) -> None:
        """Now."""


class Connections:
    """Says whether answers end their connections, and ends the idle ones."""

    def __init__(self) -> None:
        self._until = 0.0
        self._for_good = False
        self._open: Iterable[Connection] = ()

    def watch(self, open_connections: Iterable[Connection]) -> None:
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

    def close_idle(self) -> None:
        """Connections on which nothing happens end at once."""
        for connection in list(self._open):
            if connection.idle:
                connection.end()

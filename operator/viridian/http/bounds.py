"""What a client may take of a process that answers HTTP."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 64 * 1024
"""Request line and headers together. More is answered with 431."""
HEADERS: Final = 1000
"""Of one request; 431 as well."""
KEPT_BYTES: Final = 256 * 1024
"""A body that is announced and no longer than this is read to its end after an early answer: the connection stays."""
LINGER_SECONDS: Final = 30.0
QUIET_SECONDS: Final = 5.0
LINGER_BYTES: Final = 256 * 1024 * 1024
"""After the last answer on a connection, what the client still sends is read and dropped: for so long at most, until
so long nothing has come, and until so many bytes have come."""
LEAVING_SECONDS: Final = 2.0
"""When the process ends, a request that has not arrived completely gets this much time."""
LEAVING_LINGER_SECONDS: Final = 1.0
UNREAD_SECONDS: Final = 60.0
"""An answer of which the client reads nothing for so long ends its connection."""
PIPELINED: Final = 256
"""Requests that wait on one connection for the answers before them."""
FRAMING: Final = 3
SPARE_BYTES: Final = 1024 * 1024
"""A request has so many times the bytes of its body at most, and so many more: a chunk of three bytes takes eight."""
SURPLUS: Final = 64
"""Connections above the limit that wait for the 503; more are closed at once."""
_SPARE_FILES: Final = 128 + SURPLUS
"""File descriptors for everything that is no connection of a client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The limits that differ from one port to another."""

    seconds: float
    """For a request to arrive completely."""
    body_bytes: int
    connections: int
    connections_each: int | None = None
    """From one address, where it is bounded."""

    @property
    def affordable_connections(self) -> int:
        """As many as the process may open files."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return self.connections if files < 0 else max(1, min(self.connections, files - _SPARE_FILES))

"""Ports of 127.0.0.1 for servers that are about to start.

Not those that the kernel would choose: it gives the same ones to outgoing connections, and one of these may take the
port before the server does.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
from collections.abc import Iterator

SERVERS = range(11_000, 30_000)
"""Above the ports of a node's own programs, below node ports and those of outgoing connections."""


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    with contextlib.ExitStack() as held:
        return [held.enter_context(_listener()).getsockname()[1] for _ in range(count)]


@contextlib.contextmanager
def _listener() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        while not _bound(listener, secrets.choice(SERVERS)):
            pass
        yield listener


def _bound(listener: socket.socket, port: int) -> bool:
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True

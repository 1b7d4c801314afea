"""Where servers listen: on all addresses of both families, where there are both."""

from __future__ import annotations

import contextlib
import socket


def listen_everywhere(port: int, backlog: int = 128) -> socket.socket:
    """A listening socket; OSError where the port cannot be had."""
    with contextlib.suppress(OSError):
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog)
    return socket.create_server(("", port), backlog=backlog)

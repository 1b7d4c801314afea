"""Where servers listen: on all addresses of both families, where there are both."""

from __future__ import annotations

import errno
import socket
from typing import Final

_NO_SECOND_FAMILY: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def listen_everywhere(port: int, backlog: int = 128) -> socket.socket:
    """A listening socket; OSError where the port cannot be had on either family."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog)
        except OSError as error:
            if error.errno not in _NO_SECOND_FAMILY:
                raise
    return socket.create_server(("", port), backlog=backlog)

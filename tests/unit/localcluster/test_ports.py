"""Ports for servers are free, different, and never those of outgoing connections."""

from __future__ import annotations

import socket
from pathlib import Path

from localcluster.ports import SERVERS, free_ports

OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_they_are_free_and_different() -> None:
    found = free_ports(20)
    assert len(set(found)) == 20
    for port in found:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_no_outgoing_connection_gets_one() -> None:
    first, last = map(int, OUTGOING.read_text().split())
    assert not set(free_ports(20)) & set(range(first, last + 1))
    assert first > SERVERS[-1] or last < SERVERS[0]

"""Servers answer on both families, where the computer has both."""

from __future__ import annotations

import socket

import pytest

from viridian.controller.server import MetricsServer, all_addresses
from viridian.sockets import listen_everywhere

IPV4 = "0.0.0.0"  # noqa: S104 - nothing is bound to it here


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_server_is_reached_by_either_family(address: str) -> None:
    if ":" in address and not socket.has_dualstack_ipv6():
        pytest.skip("this computer has IPv4 alone")
    with listen_everywhere(0) as listening:
        socket.create_connection((address, listening.getsockname()[1]), timeout=5).close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_so_are_the_metrics_of_the_operator(address: str) -> None:
    if ":" in address and not socket.has_dualstack_ipv6():
        pytest.skip("this computer has IPv4 alone")
    server = MetricsServer(0, metrics=lambda: [b""], unready=str)
    await server.start()
    try:
        socket.create_connection((address, server.port), timeout=5).close()
    finally:
        await server.close()


def test_a_port_that_is_taken_is_an_error() -> None:
    with listen_everywhere(0) as taken, pytest.raises(OSError, match="in use"):
        listen_everywhere(taken.getsockname()[1])


@pytest.mark.parametrize(("service", "host"), [("10.96.0.1", IPV4), ("fd00::1", "[::]"), (None, IPV4)])
def test_liveness_listens_on_the_family_in_which_the_kubelet_probes(service: str | None, host: str) -> None:
    assert all_addresses({"KUBERNETES_SERVICE_HOST": service} if service else {}) == host

"""Clients that want to harm a model server: each is stopped, costs little memory, and holds nobody else up."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support import models
from tests.support.background import in_background
from tests.support.hostile_client import MIB, MODES, Memory, Mode, Start, attack, flood_of_connections
from tests.support.server_process import ServerProcess, running

LIMIT = 8 * MIB
GROWTH = 20 * MIB
CONNECTIONS = 200
EXTRA_CONNECTIONS = 100
SLOWEST = 1.0
"""Seconds that this server gives a request to arrive."""
PREDICTION = Start("/invocations", ("content-type: application/json",), b'{"inputs": [[5.1, 3.5, 1.4, 0.2]]}')
ORDER = Start("/connections/close", ("content-type: application/json",), b'{"forSeconds": 1}')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    tmp = tmp_path_factory.mktemp("hostile")
    directory = models.write_onnx_mlflow(tmp / "model")
    bounds = {"read_seconds": str(SLOWEST), "max_body_bytes": str(LIMIT), "max_connections": str(CONNECTIONS)}
    with in_background(running(directory, tmp, **bounds)) as process:
        for port, start in ((process.port, PREDICTION), (process.management_port, ORDER)):
            attack(port, Mode(lambda start: [start.whole(start.body, "connection: close")], frozenset()), start)
        yield process


@pytest.fixture
def memory(server: ServerProcess) -> Memory:
    return Memory(server.process.pid)


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("port", ["predictions", "management"])
def test_a_hostile_client_is_stopped_and_costs_little(
    server: ServerProcess, memory: Memory, port: str, name: str, record_property: Callable[[str, object], None]
) -> None:
    number, start = (server.port, PREDICTION) if port == "predictions" else (server.management_port, ORDER)
    mode = MODES[name]
    with longest_answer(server) as slowest, memory.growth_of_at_most(GROWTH):
        outcome = attack(number, mode, start)
    assert outcome.statuses[-1] in mode.statuses, outcome
    record_property(
        "longest wait for an answer of the server under attack", f"{1000 * max(slowest):5.0f} ms: {name} on {port}"
    )


@pytest.mark.parametrize("port", ["predictions", "management"])
def test_a_flood_of_connections_leaves_the_rest_alone(server: ServerProcess, memory: Memory, port: str) -> None:
    number, other = (server.port, server.management_port)[:: 1 if port == "predictions" else -1]
    with (
        memory.growth_of_at_most(GROWTH),
        flood_of_connections(number, CONNECTIONS + EXTRA_CONNECTIONS) as sockets,
    ):
        assert healthy(other)
        for connection in sockets:
            connection.settimeout(30)
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
    assert healthy(number), "and there is room again"


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        # Of both ports: one has the first path, the other one the second, and either answers.
        connection.request("GET", "/healthz")
        return connection.getresponse().status in (200, 404)


@contextlib.contextmanager
def longest_answer(server: ServerProcess) -> Iterator[list[float]]:
    """How long the management port took to answer, asked again and again, in seconds."""
    took, done = [0.0], threading.Event()

    def ask() -> None:
        while not done.wait(0.02):
            began = time.monotonic()
            assert healthy(server.management_port)
            took.append(time.monotonic() - began)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    try:
        yield took
    finally:
        done.set()
        asking.join()

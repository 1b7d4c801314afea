"""Clients that want to harm the collector: each is stopped, costs little memory, and holds nobody else up."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.support.background import in_background
from tests.support.collector_process import CollectorProcess, launched, reviewing
from tests.support.costs import MIB, Memory
from tests.support.hostile_client import (
    ENDED,
    MODES,
    Mode,
    Start,
    attack,
    flood_of_connections,
    longest_answer,
)

LIMIT = 8 * MIB
GROWTH = 20 * MIB
CONNECTIONS = 400
EXTRA_CONNECTIONS = 50
SLOWEST = 1.0
"""Seconds that this collector gives a request to arrive."""
OWNERS = {"server": "system:serviceaccount:ml:server"}
KNOWN = ("authorization: Bearer server", "content-type: application/json")
UNKNOWN = ("authorization: Bearer invented", "content-type: application/json")
OUTCOME = json.dumps({"prediction_id": "a", "outcome": "leaves"}).encode()
STARTS = {
    "outcomes": Start("/v1/outcomes", KNOWN, OUTCOME),
    "an invalid token": Start("/v1/outcomes", UNKNOWN, OUTCOME),
    "the login form": Start("/review/login", ("content-type: application/x-www-form-urlencoded",), b"token=server"),
}
EARLY = {"an invalid token": frozenset({401}), "the login form": frozenset({400, 413, 303})}
"""Answers that say no before the body is looked at: nothing of it matters then."""


@contextlib.asynccontextmanager
async def collecting(folder: Path) -> AsyncIterator[CollectorProcess]:
    bounds = {"read": f"{SLOWEST:g}s", "max_body_bytes": str(LIMIT), "max_connections": str(CONNECTIONS)}
    async with reviewing(OWNERS) as api, launched(api, folder, namespace_rows="0", **bounds) as collector:
        yield collector


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with in_background(collecting(tmp_path_factory.mktemp("hostile"))) as process:
        for start in STARTS.values():
            attack(process.port, Mode(lambda start: [start.whole(start.body, "connection: close")], frozenset()), start)
        yield process


@pytest.fixture
def memory(collector: CollectorProcess) -> Memory:
    return Memory(collector.process.pid)


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("what", STARTS)
def test_a_hostile_client_is_stopped_and_costs_little(
    collector: CollectorProcess, memory: Memory, what: str, name: str, record_property: Callable[[str, object], None]
) -> None:
    mode = MODES[name]
    with longest_answer(lambda: healthy(collector.port, "127.0.0.2")) as slowest, memory.growth_of_at_most(GROWTH):
        outcome = attack(collector.port, mode, STARTS[what])
    assert outcome.statuses[-1] in mode.statuses | EARLY.get(what, frozenset()), outcome
    record_property(
        "longest wait for an answer of the collector under attack", f"{1000 * max(slowest):5.0f} ms: {name} on {what}"
    )


def test_a_flood_of_connections_is_stopped(collector: CollectorProcess, memory: Memory) -> None:
    with (
        memory.growth_of_at_most(GROWTH),
        flood_of_connections(collector.port, CONNECTIONS + EXTRA_CONNECTIONS) as all_,
    ):
        # Another address has room: one alone does not take all connections.
        assert healthy(collector.port, "127.0.0.2")
        for connection in all_:
            connection.settimeout(30)
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
    assert healthy(collector.port), "and there is room again"


def test_whoever_says_nothing_is_let_go(collector: CollectorProcess) -> None:
    assert attack(collector.port, MODES["nothing at all"], STARTS["outcomes"]).statuses == (ENDED,)


def healthy(port: int, address: str = "127.0.0.1") -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(address, 0))
    with contextlib.closing(connection):
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200

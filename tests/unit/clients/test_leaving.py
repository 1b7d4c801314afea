"""A process that is told to leave waits for nobody who does not finish a request."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from tests.support import models, server_process
from tests.support.clients.targets import OWNERS, TOKEN
from tests.support.collector_process import launched, reviewing
from tests.support.wire import Wire, head, request, wire

GRACE = "500"
"""Seconds: longer than any test may take."""


def stalled(stack: contextlib.ExitStack, port: int, path: str, *headers: str) -> list[Wire]:
    """Clients that have begun a request and go no further."""
    clients = []
    for part in (
        f"POST {path} HTT".encode(),
        head([f"POST {path} HTTP/1.1", *headers])[:-2],
        request("POST", path, b"", *headers, length=10),
        request("POST", path, b"{", *headers, length=10),
        head([f"POST {path} HTTP/1.1", *headers, "transfer-encoding: chunked"]) + b"5\r\n{",
    ):
        clients.append(stack.enter_context(wire(port)))
        clients[-1].send(part)
    lingering = stack.enter_context(wire(port))
    lingering.send(request("POST", path, b"", *headers, length=99_999_999_999))
    assert lingering.answer().status == 413
    stack.enter_context(wire(port))  # … and one that says nothing
    return clients


def all_told(clients: list[Wire]) -> None:
    for client in clients:
        answer = client.answer()
        assert (answer.status, answer.closes) == (408, True)


async def test_a_server_is_not_held_up(tmp_path: Path) -> None:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    with contextlib.ExitStack() as stack:
        async with server_process.running(directory, tmp_path, drain_seconds="0", grace_seconds=GRACE) as server:
            clients = stalled(stack, server.port, "/invocations")
            server.terminate()
            assert await server.process.wait() == 0
        all_told(clients)


async def test_a_collector_is_not_held_up(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        async with reviewing(OWNERS) as api, launched(api, tmp_path, stop=f"{GRACE}s") as collector:
            headers = ("content-type: application/json", f"authorization: Bearer {TOKEN}")
            clients = await asyncio.to_thread(stalled, stack, collector.port, "/v1/outcomes", *headers)
            collector.terminate()
            assert await collector.process.wait() == 0
        all_told(clients)

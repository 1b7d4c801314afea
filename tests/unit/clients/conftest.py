"""The real model server and the real collector, each a process of its own, for clients of all kinds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import collector_process, models, server_process
from tests.support.background import in_background

LIMIT = 1_000_000
TOKEN = "clients"
OUTCOME = {"prediction_id": "0192f0c1-7a5e-7c31-9d52-3f5a2b1c4d5e", "outcome": "leaves"}


@dataclass(frozen=True)
class Target:
    """A path of a process that takes a body."""

    name: str
    port: int
    path: str
    body: bytes
    status: int = 200
    limit: int = LIMIT
    headers: tuple[str, ...] = ("content-type: application/json",)


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Target, Target]]:
    """Inference and management."""
    directory = models.write_onnx_mlflow(folder / "model")
    limits = {"max_body_bytes": str(LIMIT), "read_seconds": "1"}
    async with server_process.running(directory, folder, **limits) as server:
        yield (
            Target("server", server.port, "/invocations", json.dumps({"inputs": [models.FLOWER]}).encode()),
            Target(
                "management",
                server.management_port,
                "/connections/close",
                b'{"forSeconds": 0.000001}',
                status=204,
                limit=4096,
            ),
        )


@contextlib.asynccontextmanager
async def collecting(folder: Path) -> AsyncIterator[Target]:
    """A collector that knows one token."""
    limits = {"max_body_bytes": str(LIMIT), "read": "1s"}
    owners = {TOKEN: "system:serviceaccount:ml:clients"}
    async with (
        collector_process.reviewing(owners) as api,
        collector_process.launched(api, folder, **limits) as collector,
    ):
        headers = ("content-type: application/json", f"authorization: Bearer {TOKEN}")
        yield Target("collector", collector.port, "/v1/outcomes", json.dumps(OUTCOME).encode(), headers=headers)


@pytest.fixture(scope="package")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, Target]]:
    with in_background(serving(tmp_path_factory.mktemp("server"))) as targets:
        yield targets


@pytest.fixture(scope="package")
def server(ports: tuple[Target, Target]) -> Target:
    return ports[0]


@pytest.fixture(scope="package")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with in_background(collecting(tmp_path_factory.mktemp("collector"))) as target:
        yield target


@pytest.fixture(params=["server", "management", "collector"])
def target(request: pytest.FixtureRequest) -> Target:
    """Each in turn."""
    if request.param == "collector":
        found: Target = request.getfixturevalue("collector")
        return found
    ports: tuple[Target, Target] = request.getfixturevalue("ports")
    return ports[request.param == "management"]

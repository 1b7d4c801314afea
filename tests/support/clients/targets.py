"""The real model server and the real collector, each a process of its own, for clients of all kinds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import collector_process, models, server_process

LIMIT = 1_000_000
SECONDS = 1
"""For a request to arrive."""
TOKEN = "clients"
OWNERS = {TOKEN: "system:serviceaccount:ml:clients"}
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

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Target, Target]]:
    """Inference and management; there, what carries no proof is refused once it has arrived."""
    directory = models.write_onnx_mlflow(folder / "model")
    limits = {"max_body_bytes": str(LIMIT), "read_seconds": str(SECONDS)}
    order = b'{"forSeconds": 0.000001}'
    async with server_process.running(directory, folder, **limits) as server:
        yield (
            Target("server", server.port, "/invocations", json.dumps({"inputs": [models.FLOWER]}).encode()),
            Target("management", server.management_port, "/connections/close", order, status=401, limit=4096),
        )


@contextlib.asynccontextmanager
async def collecting(folder: Path) -> AsyncIterator[Target]:
    """A collector that knows one token."""
    limits = {"max_body_bytes": str(LIMIT), "read": f"{SECONDS}s"}
    headers = ("content-type: application/json", f"authorization: Bearer {TOKEN}")
    async with (
        collector_process.reviewing(OWNERS) as api,
        collector_process.launched(api, folder, **limits) as collector,
    ):
        yield Target("collector", collector.port, "/v1/outcomes", json.dumps(OUTCOME).encode(), headers=headers)

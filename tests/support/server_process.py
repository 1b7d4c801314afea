"""The real model server as a process of its own, on free ports of this computer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viridian.api.orders import HEADER, Order
from viridian.api.samples import Identity, PodTarget
from viridian.ports.order_signing import OrderKey

IDENTITY = Identity(namespace="team", deployment="churn", slot="green", revision="9a1b02ee", pod="churn-green-1")
"""What every server is told about whose it is."""
KEY = OrderKey.generate()
"""Whose orders every server takes."""


def proof(
    method: str, path: str, body: bytes = b"", key: OrderKey = KEY, identity: Identity = IDENTITY
) -> dict[str, str]:
    """The header of one order."""
    receiver = f"{identity.namespace}/{identity.pod}"
    return {HEADER: key.prove(Order(method=method, path=path, body=body, receiver=receiver))}


def proven(path: str, order: Any, method: str = "POST") -> dict[str, Any]:
    """What a client of aiohttp sends with an order."""
    body = order if isinstance(order, bytes) else json.dumps(order).encode()
    return {"data": body, "headers": proof(method, path, body)}


@dataclass
class ServerProcess:
    """A running server and what it logged."""

    process: asyncio.subprocess.Process
    termination_log: Path
    port: int = 0
    management_port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def management(self) -> str:
        return f"http://127.0.0.1:{self.management_port}"

    @property
    def target(self) -> PodTarget:
        return PodTarget(uid="pod-1", ip="127.0.0.1", identity=IDENTITY, port=self.management_port)

    async def logged(self, message: str) -> dict[str, Any]:
        """The next line with this message; fails when the process ends without it."""
        assert self.process.stdout is not None
        seen = []
        while line := await self.process.stdout.readline():
            entry: dict[str, Any] = json.loads(line)
            if entry["message"] == message:
                return entry
            seen.append(entry)
        raise AssertionError(f"the server ended without saying {message!r}: {seen}")

    async def rest_of_log(self) -> list[dict[str, Any]]:
        """Every line until the end."""
        assert self.process.stdout is not None
        return [json.loads(line) async for line in self.process.stdout]

    def terminate(self) -> None:
        """What the kubelet does first."""
        self.process.send_signal(signal.SIGTERM)


@contextlib.asynccontextmanager
async def launched(directory: Path, tmp: Path, **settings: str) -> AsyncIterator[ServerProcess]:
    """The process, as soon as it listens. It is gone afterwards."""
    termination_log = tmp / "termination-log"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("VIRIDIAN_")},
        "VIRIDIAN_MODEL_DIR": str(directory),
        "VIRIDIAN_MODEL_NAME": "the flowers",
        "VIRIDIAN_MODEL_VERSION": "7",
        **{f"VIRIDIAN_{name.upper()}": value for name, value in IDENTITY.labels().items()},
        "VIRIDIAN_ORDERS_KEY": KEY.public,
        "VIRIDIAN_HOST": "127.0.0.1",
        "VIRIDIAN_PORT": "0",
        "VIRIDIAN_MANAGEMENT_PORT": "0",
        "VIRIDIAN_DRAIN_SECONDS": "0",
        "VIRIDIAN_TERMINATION_LOG": str(termination_log),
        **{f"VIRIDIAN_{name.upper()}": value for name, value in settings.items()},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "viridian.serving.main", env=environment, stdout=asyncio.subprocess.PIPE
    )
    server = ServerProcess(process, termination_log)
    try:
        start = await server.logged("start")
        server.port, server.management_port = start["port"], start["management_port"]
        yield server
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def running(directory: Path, tmp: Path, **settings: str) -> AsyncIterator[ServerProcess]:
    """The process, as soon as it is ready."""
    async with launched(directory, tmp, **settings) as server:
        await server.logged("ready")
        yield server

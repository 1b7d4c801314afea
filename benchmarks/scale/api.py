"""A small asynchronous client of the API server for many requests at once: the operator's own is what is measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from viridian.ports.connection import ApiConnection

Object = dict[str, Any]

AT_ONCE = 16
"""Requests under way: enough to keep two cores busy."""


@dataclass(frozen=True)
class Api:
    """Requests to one API server by path."""

    server: str
    session: aiohttp.ClientSession

    async def send(self, method: str, path: str, body: Mapping[str, Any], content: str = "application/json") -> Object:
        """One request with a body; raises for every answer that is no success."""
        headers = {"Content-Type": content}
        async with self.session.request(method, self.server + path, json=body, headers=headers) as response:
            answer = await response.read()
            if response.status >= 300:
                raise RuntimeError(f"{method} {path}: {response.status}: {answer[:500]!r}")
            decoded: Object = json.loads(answer)
            return decoded

    async def get(self, path: str) -> Object:
        async with self.session.get(self.server + path) as response:
            response.raise_for_status()
            found: Object = json.loads(await response.read())
            return found

    async def create_all(self, path: str, bodies: Iterable[Mapping[str, Any]]) -> None:
        """Create every object in the collection, `AT_ONCE` at a time."""
        left = iter(bodies)

        async def work() -> None:
            for body in left:
                await self.send("POST", path, body)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def watch(self, path: str) -> AsyncIterator[tuple[str, Object]]:
        """Type and object of every event, from what is there now until the server ends the watch."""
        async with self.session.get(f"{self.server}{path}&watch=true", timeout=aiohttp.ClientTimeout()) as response:
            response.raise_for_status()
            async for line in response.content:
                event = json.loads(line)
                yield event["type"], event["object"]


@asynccontextmanager
async def api(kubeconfig: Path) -> AsyncIterator[Api]:
    connection = ApiConnection.from_kubeconfig(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=connection.ssl_context(), limit=4 * AT_ONCE)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=2**22) as session:
        yield Api(connection.server, session)

"""A Lease in memory: the port `Lease`, held to the real server by tests/contract/cluster/test_lease.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

from viridian.api.lease import LeaseRecord
from viridian.ports.cluster import ClusterConflict, ClusterUnavailable


class StoredLease:
    """The one Lease of all candidates."""

    def __init__(self) -> None:
        self.record: LeaseRecord | None = None
        self.history: list[LeaseRecord | None] = []
        self._versions = 0
        self._listeners: list[asyncio.Queue[LeaseRecord | None]] = []

    def put(self, record: LeaseRecord | None) -> LeaseRecord | None:
        """Somebody writes it, or deletes it."""
        self._versions += 1
        self.record = record and replace(record, version=str(self._versions))
        self.history.append(self.record)
        for listener in self._listeners:
            listener.put_nowait(self.record)
        return self.record

    def listen(self) -> asyncio.Queue[LeaseRecord | None]:
        heard: asyncio.Queue[LeaseRecord | None] = asyncio.Queue()
        heard.put_nowait(self.record)
        self._listeners.append(heard)
        return heard


class MemoryLease:
    """What one candidate has of it. While `cut_off`, it hears nothing and its calls do not end."""

    def __init__(self, stored: StoredLease) -> None:
        self._stored = stored
        self.cut_off = False
        self.refused: ClusterUnavailable | None = None

    async def read(self) -> LeaseRecord | None:
        await self._reached()
        return self._stored.record

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        await self._reached()
        present = self._stored.record
        if record.version != (present.version if present else ""):
            raise ClusterConflict("the Lease has changed")
        stored = self._stored.put(record)
        assert stored is not None
        return stored

    async def changes(self) -> AsyncGenerator[LeaseRecord | None]:
        await self._reached()
        heard = self._stored.listen()
        while True:
            record = await heard.get()
            await self._reached()
            yield record

    async def _reached(self) -> None:
        if self.refused is not None:
            raise self.refused
        if self.cut_off:
            await asyncio.Event().wait()

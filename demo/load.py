"""A steady stream of predictions over kept-alive connections; runs inside the cluster with nothing but Python.

Every answer counts, none is tried again. About twice a second one JSON line tells what was answered since the line
before, by revision: how many, how many failed, how slow; when its first and its last failure and its newest answer were
seen. Of requests without an answer it tells what they met: the error, and whether the connection was a kept one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REPORT_SECONDS = 0.5
UNKNOWN = "none"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Seen:
    """What one revision answered since the last line."""

    good: int = 0
    failed: int = 0
    seconds: list[float] = field(default_factory=list)
    first_failure: float = 0.0
    last_failure: float = 0.0
    last_answer: float = 0.0


@dataclass
class Load:
    """So many requests a second, spread evenly over so many connections."""

    url: str
    body: list[bytes]
    rate: float
    connections: int
    host: str = ""
    """What users call the model, where the address alone does not say it to a gateway."""
    seen: dict[str, Seen] = field(default_factory=dict)
    unanswered: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        await self._until_the_door_is_open()
        workers = [asyncio.create_task(self._client(number)) for number in range(self.connections)]
        try:
            while True:
                await asyncio.sleep(REPORT_SECONDS)
                self._report()
        finally:
            for worker in workers:
                worker.cancel()

    def _report(self) -> None:
        seen, self.seen = self.seen, {}
        unanswered, self.unanswered = self.unanswered, Counter()
        line = {
            revision: {
                "good": one.good,
                "failed": one.failed,
                "p95": sorted(one.seconds)[int(0.95 * (len(one.seconds) - 1))] if one.seconds else None,
                "first_failure": one.first_failure or None,
                "last_failure": one.last_failure or None,
                "last_answer": one.last_answer or None,
            }
            for revision, one in seen.items()
        }
        met = {"unanswered": unanswered} if unanswered else {}
        print(json.dumps({"at": time.time(), "seen": line, **met}), flush=True)

    async def _client(self, number: int) -> None:
        """One connection: a request at each of its turns, a new connection whenever the server closed the old one."""
        interval = self.connections / self.rate
        turn = time.monotonic() + interval * number / self.connections
        connection: Connection | None = None
        sent = number
        while True:
            await asyncio.sleep(max(0.0, turn - time.monotonic()))
            turn = max(turn + interval, time.monotonic() - interval)
            sent += self.connections
            started = time.monotonic()
            if connection is not None and connection[0].at_eof():
                # The server has closed it since the last answer: nothing was asked yet, so nothing is lost.
                _close(connection)
                connection = None
            kept = connection is not None
            try:
                if connection is None:
                    connection = await asyncio.wait_for(self._connect(), 5)
                status, headers = await asyncio.wait_for(self._ask(connection, self.body[sent % len(self.body)]), 10)
            except (TimeoutError, OSError, EOFError, ValueError, asyncio.IncompleteReadError) as error:
                self.unanswered[f"{type(error).__name__} on a {'kept' if kept else 'new'} connection"] += 1
                self._count(UNKNOWN, False, time.monotonic() - started)
                _close(connection)
                connection = None
                continue
            self._count(headers.get("x-viridian-revision", UNKNOWN), status == 200, time.monotonic() - started)
            if headers.get("connection", "").lower() == "close":
                _close(connection)
                connection = None

    async def _until_the_door_is_open(self) -> None:
        """A new Service refuses connections until the node's proxy has heard of it; users come after that."""
        connection: Connection | None = None
        while connection is None:
            try:
                connection = await asyncio.wait_for(self._connect(), 5)
            except (TimeoutError, OSError):
                await asyncio.sleep(0.2)
        connection[1].close()

    async def _connect(self) -> Connection:
        target = urlsplit(self.url)
        return await asyncio.open_connection(target.hostname, target.port or 80)

    async def _ask(self, connection: Connection, body: bytes) -> tuple[int, dict[str, str]]:
        reader, writer = connection
        target = urlsplit(self.url)
        head = (
            f"POST {target.path} HTTP/1.1\r\nHost: {self.host or target.netloc}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:]) if name
        }
        await reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split()[1]), headers

    def _count(self, revision: str, good: bool, seconds: float) -> None:
        one, now = self.seen.setdefault(revision, Seen()), time.time()
        one.seconds.append(seconds)
        if revision != UNKNOWN:
            one.last_answer = now
        if good:
            one.good += 1
        else:
            one.failed += 1
            one.first_failure = one.first_failure or now
            one.last_failure = now


def _close(connection: Connection | None) -> None:
    if connection is not None:
        with contextlib.suppress(OSError):
            connection[1].close()


def rows(path: str) -> list[bytes]:
    """One request body a row, in the form of MLflow's `dataframe_split`."""
    table: dict[str, Any] = json.loads(Path(path).read_text())
    return [
        json.dumps({"dataframe_split": {"columns": table["columns"], "data": [row]}}).encode() for row in table["data"]
    ]


def main() -> None:
    load = Load(
        url=os.environ["LOAD_URL"],
        body=rows(os.environ["LOAD_ROWS"]),
        rate=float(os.environ.get("LOAD_RATE", "80")),
        connections=int(os.environ.get("LOAD_CONNECTIONS", "16")),
        host=os.environ.get("LOAD_HOST", ""),
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(load.run())


if __name__ == "__main__":
    main()

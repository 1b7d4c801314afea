"""Users: so many requests a second, evenly spaced over kept-alive connections, each answer written down.

Every answer counts and none is asked for again. A connection ends after some requests, as those of many clients do, so
that the users of a tool that closes no connection meet another split as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from localcluster.components import IPV4
from localcluster.nodeconfig import NODE_ADDRESS

MAX_RATE = 1000
MAX_SECONDS = 8 * 3600.0
MAX_REQUESTS = 2_000_000
CONNECTIONS = 8
REQUESTS_A_CONNECTION = 10
FOREVER = 10**9
"""Requests of a connection that its user never ends."""
TIMEOUT_SECONDS = 10.0
REACHED_SECONDS = 60.0
"""For the first good answer, before which no load begins."""
PATH = "/invocations"
LOST = ""
"""The revision of a request that has got no answer."""
_ALLOWED = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network(f"{NODE_ADDRESS}/32"),
    ipaddress.ip_network(IPV4.services),
)
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Answer:
    """One request of a user: when its answer came, of which revision, and whether it was a good one."""

    at: float
    """Seconds of the monotonic clock."""
    revision: str
    good: bool
    asked: str = LOST
    """Of a request that has got no answer: the revision that answered last on its connection."""


@dataclass(frozen=True)
class Target:
    """Whom the users ask. Only this computer's own networks are ever asked."""

    address: str
    port: int
    host: str = ""
    """The Host header, for a gateway."""

    def __post_init__(self) -> None:
        if not any(ipaddress.ip_address(self.address) in network for network in _ALLOWED):
            raise ValueError(f"{self.address} is no address of this computer: no load is sent there")


@dataclass
class Traffic:
    """The users and all that they were answered."""

    target: Target
    rate: int
    requests_a_connection: int = REQUESTS_A_CONNECTION
    outage: float = 0.0
    """The share of requests that fails whichever version answers; may be set at any time."""
    answers: list[Answer] = field(default_factory=list)
    _chance: random.Random = field(default_factory=lambda: random.Random(1))
    _asked: int = 0

    async def run(self) -> None:
        """Ask until cancelled, or until the most requests or seconds are reached."""
        if not 0 < self.rate <= MAX_RATE:
            raise ValueError(f"{self.rate} requests a second: between 1 and {MAX_RATE} are sent")
        async with asyncio.timeout(MAX_SECONDS):
            await self._until_reached()
            await asyncio.gather(*(self._user(number) for number in range(CONNECTIONS)))

    async def _until_reached(self) -> None:
        """Before a node knows the address of a new Service, a connection to it ends elsewhere, and stays there."""
        async with asyncio.timeout(REACHED_SECONDS):
            while not self.answers:
                with contextlib.suppress(TimeoutError, OSError, EOFError, ValueError):
                    async with asyncio.timeout(TIMEOUT_SECONDS):
                        connection = await self._connect()
                        await self._ask(connection)
                        _close(connection)
                if not any(answer.good for answer in self.answers):
                    self.answers.clear()
                    await asyncio.sleep(0.1)

    async def _user(self, number: int) -> None:
        """One connection after the other, a request at each turn."""
        interval = CONNECTIONS / self.rate
        turn = time.monotonic() + interval * number / CONNECTIONS
        connection: Connection | None = None
        left, last = self.requests_a_connection, LOST
        try:
            while self._asked < MAX_REQUESTS:
                await asyncio.sleep(max(0.0, turn - time.monotonic()))
                turn = max(turn + interval, time.monotonic() - interval)
                self._asked += 1
                if connection is not None and (left <= 0 or connection[0].at_eof()):
                    _close(connection)
                    connection = None
                try:
                    # Not `wait_for`: in Python 3.11 it may swallow the cancellation that ends the load.
                    async with asyncio.timeout(TIMEOUT_SECONDS):
                        if connection is None:
                            connection = await self._connect()
                            left, last = self.requests_a_connection, LOST
                        left -= 1
                        last, ends = await self._ask(connection)
                    left = 0 if ends else left
                except (TimeoutError, OSError, EOFError, ValueError):
                    self.answers.append(Answer(time.monotonic(), LOST, good=False, asked=last))
                    _close(connection)
                    connection = None
        finally:
            _close(connection)

    async def _connect(self) -> Connection:
        return await asyncio.open_connection(self.target.address, self.target.port)

    async def _ask(self, connection: Connection) -> tuple[str, bool]:
        """Which revision has answered, and whether the server ends the connection after its answer."""
        reader, writer = connection
        writer.write(self._request())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
        await reader.readexactly(int(headers.get("content-length", "0")))
        revision = headers.get("x-viridian-revision", LOST)
        self.answers.append(Answer(time.monotonic(), revision, good=head[0].split()[1] == "200"))
        return revision, headers.get("connection", "").lower() == "close"

    def _request(self) -> bytes:
        row = [self._chance.random(), self.outage]
        body = json.dumps({"dataframe_split": {"columns": ["draw", "outage"], "data": [row]}}).encode()
        host = self.target.host or self.target.address
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _close(connection: Connection | None) -> None:
    if connection is not None:
        with contextlib.suppress(OSError):
            connection[1].close()


@contextmanager
def traffic(target: Target, rate: int, requests_a_connection: int = REQUESTS_A_CONNECTION) -> Iterator[Traffic]:
    """Users who ask, in a thread of their own, until the block ends."""
    users = Traffic(target, rate, requests_a_connection)
    loop = asyncio.new_event_loop()
    task = loop.create_task(users.run())

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield users
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(TIMEOUT_SECONDS)
        loop.close()

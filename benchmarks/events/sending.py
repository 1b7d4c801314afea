"""What is sent to the receiver: events of each kind at a steady rate, each with what the sender concludes from it."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from tests.support.event_sending import body_of, cloud_event, signed

OVERSIZED: Final = 300 * 1024
ATTEMPTS: Final = 40
"""A sender tries again while operators are away or busy, as webhooks do."""
_PAUSE_SECONDS: Final = 0.25
_NONE: Final = 0


@dataclass(frozen=True)
class Signed:
    """A request as it goes over the wire."""

    event: str
    path: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Ledger:
    """What was sent, and what was answered."""

    sent: set[str] = field(default_factory=set)
    """Ids of valid events."""
    acknowledged: set[str] = field(default_factory=set)
    replayable: list[Signed] = field(default_factory=list)
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    """By kind of request; 0 for a connection that failed."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from a valid request to its 202, of those that needed one attempt."""
    replays_stored: int = 0

    def note(self, kind: str, status: int) -> None:
        self.statuses.setdefault(kind, Counter())[status] += 1


class Sender:
    """Sends to the operators in turn, each request on a connection of its own."""

    def __init__(
        self, http: aiohttp.ClientSession, ports: Sequence[int], keys: Sequence[str], paths: Sequence[str]
    ) -> None:
        self._http, self._ports, self._keys, self._paths = http, ports, keys, paths
        self._turn = 0
        self.ledger = Ledger()
        self._kinds: dict[str, Callable[[int], Coroutine[None, None, None]]] = {
            "valid": self._valid,
            "forged": self._forged,
            "replayed": self._replayed,
            "oversized": self._oversized,
        }

    async def run(self, each_second: int, seconds: float) -> None:
        """All kinds in turn; a request that is due is sent, whatever became of those before it."""
        began, tasks, kinds = time.monotonic(), set(), list(self._kinds.values())
        for number in range(int(each_second * seconds)):
            await asyncio.sleep(max(0.0, began + number / each_second - time.monotonic()))
            turn, kind = divmod(number, len(kinds))
            tasks.add(asyncio.create_task(kinds[kind](turn)))
        await asyncio.gather(*tasks)

    async def _valid(self, number: int) -> None:
        request = self._request(f"valid-{number}", number)
        self.ledger.sent.add(request.event)
        for attempt in range(ATTEMPTS):
            began = time.monotonic()
            status, _ = await self._post(request)
            self.ledger.note("valid", status)
            if status == 202:
                self.ledger.acknowledged.add(request.event)
                self.ledger.replayable.append(request)
                if attempt == 0:
                    self.ledger.latencies.append(time.monotonic() - began)
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _replayed(self, number: int) -> None:
        if not self.ledger.replayable:
            return
        status, stored = await self._post(random.Random(number).choice(self.ledger.replayable))
        self.ledger.note("replayed", status)
        self.ledger.replays_stored += stored

    async def _oversized(self, number: int) -> None:
        body = body_of(cloud_event(f"oversized-{number}", data="x" * OVERSIZED))
        headers = signed(body, time.time(), key=self._keys[number % len(self._keys)])
        status, _ = await self._post(Signed("", self._paths[number % len(self._paths)], body, headers))
        self.ledger.note("oversized", status)

    async def _forged(self, number: int) -> None:
        request = self._request(f"forged-{number}", number)
        status, _ = await self._post(_FORGERIES[number % len(_FORGERIES)](request))
        self.ledger.note("forged", status)

    def _request(self, event: str, number: int) -> Signed:
        body = body_of(cloud_event(event))
        headers = signed(body, time.time(), key=self._keys[number % len(self._keys)], request_id=event)
        return Signed(event, self._paths[number % len(self._paths)], body, headers)

    async def _post(self, request: Signed) -> tuple[int, int]:
        """Status and how many events were stored."""
        self._turn += 1
        url = f"http://127.0.0.1:{self._ports[self._turn % len(self._ports)]}{request.path}"
        try:
            async with self._http.post(url, data=request.body, headers=request.headers) as response:
                document = await response.json(content_type=None) if response.status == 202 else {}
                return response.status, int(document.get("stored", 0))
        except (aiohttp.ClientError, TimeoutError, OSError):
            return _NONE, 0


def _with_another_key(request: Signed) -> Signed:
    headers = signed(request.body, time.time(), key="not-the-key-of-that-namespace", request_id=request.event)
    return Signed(request.event, request.path, request.body, headers)


def _changed(request: Signed) -> Signed:
    return Signed(request.event, request.path, request.body.replace(b"churn", b"chorn"), request.headers)


def _from(seconds: float) -> Callable[[Signed], Signed]:
    def forged(request: Signed) -> Signed:
        stamp = str(int(time.time() + seconds))
        return Signed(request.event, request.path, request.body, {**request.headers, "webhook-timestamp": stamp})

    return forged


def _without_signature(request: Signed) -> Signed:
    headers = {"Content-Type": request.headers["Content-Type"]}
    return Signed(request.event, request.path, request.body, headers)


def _with_a_token(request: Signed) -> Signed:
    headers = {"Content-Type": request.headers["Content-Type"], "Authorization": "Bearer forged"}
    return Signed(request.event, request.path, request.body, headers)


def _to_another_namespace(request: Signed) -> Signed:
    return Signed(request.event, "/v1/events/kube-system/churn-0", request.body, request.headers)


_FORGERIES: Final = (
    _with_another_key,
    _changed,
    _from(-1000),
    _from(1000),
    _without_signature,
    _with_a_token,
    _to_another_namespace,
)

"""The one way in which the operator asks pods. A pod may run anything, so no answer may cost more than was agreed.

No redirect is followed, nothing is decompressed, no cookie is kept, and bytes and seconds are bounded. All of it
happens aside from the operator's own loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from viridian.api.orders import HEADER, Order
from viridian.api.samples import PodTarget
from viridian.ports.bounded_bodies import bounded
from viridian.ports.http_sessions import session
from viridian.ports.order_signing import OrderKey
from viridian.ports.thread_loop import Aside

_CONNECTIONS: Final = 500
"""To all pods together: each costs a socket and its buffers."""
_CONNECT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class PodAnswer:
    status: int
    body: bytes | bytearray
    """Empty for every status but 200."""


class PodHttp:
    """Speaks with the management ports of pods. With a key, it proves who asks for what is not for everybody."""

    def __init__(self, aside: Aside, session: aiohttp.ClientSession, key: OrderKey | None = None) -> None:
        self.aside = aside
        self._session = session
        self._key = key

    async def get(self, target: PodTarget, path: str, *, most: int, seconds: float, proven: bool = False) -> PodAnswer:
        """An answer of at most so many bytes within so many seconds; TooLong, TimeoutError, or an error of aiohttp.

        To be called on the loop aside.
        """
        async with self._session.get(
            address(target, path),
            headers=self._proof("GET", path, b"", target) if proven else None,
            timeout=aiohttp.ClientTimeout(total=seconds),
            allow_redirects=False,
        ) as response:
            if response.status != 200:
                response.close()
                return PodAnswer(response.status, b"")
            return PodAnswer(200, await bounded(response, most))

    async def order(self, target: PodTarget, path: str, order: Mapping[str, Any], *, seconds: float) -> int:
        """The status with which the pod took the order; what else it says is not read. Raises as `get` does."""
        body = msgspec.json.encode(order)
        async with self._session.post(
            address(target, path),
            data=body,
            headers={"Content-Type": "application/json", **self._proof("POST", path, body, target)},
            timeout=aiohttp.ClientTimeout(total=seconds),
            allow_redirects=False,
        ) as response:
            response.close()
            return response.status

    async def withdraw(self, target: PodTarget, path: str, *, seconds: float) -> int:
        """The status with which the pod took that an order has ended. Raises as `get` does."""
        async with self._session.delete(
            address(target, path),
            headers=self._proof("DELETE", path, b"", target),
            timeout=aiohttp.ClientTimeout(total=seconds),
            allow_redirects=False,
        ) as response:
            response.close()
            return response.status

    @asynccontextmanager
    async def stream(
        self, target: PodTarget, path: str, order: bytes, *, seconds: float, silence: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is read as it comes, for so many seconds and with no longer silence; raises as `get` does.

        What is not read of it is thrown away.
        """
        async with self._session.post(
            address(target, path),
            data=order,
            headers={"Content-Type": "application/json", **self._proof("POST", path, order, target)},
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS, sock_read=silence),
            allow_redirects=False,
        ) as response:
            try:
                yield response
            finally:
                response.close()

    def _proof(self, method: str, path: str, body: bytes, target: PodTarget) -> dict[str, str]:
        if self._key is None:
            return {}
        receiver = f"{target.identity.namespace}/{target.identity.pod}"
        return {HEADER: self._key.prove(Order(method=method, path=path, body=body, receiver=receiver))}


def address(target: PodTarget, path: str) -> str:
    host = f"[{target.ip}]" if ":" in target.ip else target.ip
    return f"http://{host}:{target.port}{path}"


@asynccontextmanager
async def pod_http(key: OrderKey | None = None) -> AsyncIterator[PodHttp]:
    """A client for pods, until the block ends."""
    async with Aside("pods") as aside:
        opened = await aside.run(_session())
        try:
            yield PodHttp(aside, opened, key)
        finally:
            await aside.run(opened.close())


async def _session() -> aiohttp.ClientSession:
    return session(limit=_CONNECTIONS)

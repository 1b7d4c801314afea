"""Reading what is sent, within limits: of one request, of one tenant, and of all together that are not stored yet."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request

from viridian.feedback.ingest.json_amounts import values
from viridian.feedback.problems import CollectorBusy, HttpProblem, TooSlow
from viridian.http.bodies import SLOW, announced_length

TENANTS: Final = 4
"""So many have their whole share of the memory at the same time."""
MAX_CONCURRENT: Final = 3
"""A share holds the largest body together with what is made of it, or so many of the largest bodies."""
_VALUE_BYTES: Final = 64
"""What is made of a JSON value takes about as much."""


class Bodies:
    """Counts the bytes that are in memory, by tenant: the namespace of a service account, or a user."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._share = max_bytes * MAX_CONCURRENT
        self._left = self._share * TENANTS
        self._taken: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def of(self, request: Request, tenant: str, limit: int | None = None) -> AsyncIterator[bytes]:
        """The whole body. Its room is given back at the end of the block, which lasts until what it says is stored."""
        if request.headers.get("content-encoding", "identity") != "identity":
            raise HttpProblem(415, "the body must not be compressed; Parquet compresses its own columns")
        most = self._max if limit is None else min(limit, self._max)
        if announced_length(request.scope["headers"]) > most:
            raise _too_large(most)
        with _Room(self, tenant) as room:
            parts: list[bytes] = []
            size = 0
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                room.take(len(part))
                parts.append(part)
            if SLOW in request.scope:
                raise TooSlow
            body = b"".join(parts)
            room.take(min(values(body) * _VALUE_BYTES, self._max * (MAX_CONCURRENT - 1)))
            yield body

    def take(self, tenant: str, number: int) -> None:
        """So many bytes more; Busy where the tenant or all together have too many."""
        if number > self._left or self._taken[tenant] + number > self._share:
            raise CollectorBusy
        self._left -= number
        self._taken[tenant] += number

    def give_back(self, tenant: str, number: int) -> None:
        """So many bytes less."""
        self._left += number
        self._taken[tenant] -= number
        if not self._taken[tenant]:
            del self._taken[tenant]


class _Room:
    """What one request has taken."""

    def __init__(self, bodies: Bodies, tenant: str) -> None:
        self._bodies = bodies
        self._tenant = tenant
        self._size = 0

    def __enter__(self) -> _Room:
        return self

    def __exit__(self, *_: object) -> None:
        self._bodies.give_back(self._tenant, self._size)

    def take(self, number: int) -> None:
        self._bodies.take(self._tenant, number)
        self._size += number


def _too_large(limit: int) -> HttpProblem:
    return HttpProblem(413, f"a body has at most {limit} bytes; send it in parts")

"""A pod that has lost its users asks the other slot on their behalf, for as long as some still come.

A proxy, a gateway or a client hears later than the operator that the traffic has moved. Until then each answer of this
pod would be one of the version that nobody wants any more. So the answer is the other slot's, with its headers.

The other slot is behind one of two Services: the live one, once proxies know that the traffic has moved, or the preview
one, as long as they do not. Both follow from an address that the server was given at its start; no order names another.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from typing import Final
from urllib.parse import quote

from viridian.api.forward_order import FORWARDED_HEADER
from viridian.serving.asgi_responses import JSON, Headers, Reply, error_body
from viridian.serving.pod_address import Target
from viridian.serving.pod_connection import Failed, PeerResponse, PodConnection

TRIES: Final = 6
"""Of a request, each at another Service than the one before. Where half of a Service's pods have lost their users, 1 of
60 requests finds none of the others in six tries, and is answered here."""
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_PREVIEW: Final = "-preview"
_MARK: Final = (FORWARDED_HEADER.encode(), b"1")
_ASKED: Final = frozenset(
    {b"content-type", b"content-encoding", b"inference-header-content-length", b"x-request-id", b"traceparent"}
)
_ANSWERED: Final = frozenset({b"inference-header-content-length", b"x-request-id", b"retry-after"})
_OWN: Final = b"x-viridian-"
_NOT_THERE: Final = 404
_MISDIRECTED: Final = 421


class Forwarding:
    """Whether answers come from the other slot now, and how."""

    def __init__(self, preview: str, slot: str, seconds: float) -> None:
        """`preview` is the address of the preview Service; empty where there is none. Answers come within seconds."""
        self._services = services(preview)
        self._slot = slot.encode("latin-1", "replace")
        self._seconds = seconds
        self._until = 0.0
        self._idle: deque[PodConnection] = deque()

    @property
    def possible(self) -> bool:
        """Whether the other slot has an address."""
        return bool(self._services)

    @property
    def active(self) -> bool:
        """Requests are forwarded now."""
        return self._until > 0.0 and time.monotonic() < self._until

    def begin(self, seconds: float) -> None:
        """For that long. Repeated, the later end counts."""
        self._until = max(self._until, time.monotonic() + seconds)

    async def answer(self, path: str, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Reply | None:
        """What the other slot answers; None where nobody of it does."""
        given = dict(headers)
        if _MARK[0] in given:
            return Reply(_MISDIRECTED, error_body("this pod forwards its requests itself"))
        asked = [*((name, value) for name, value in given.items() if name in _ASKED), _MARK]
        deadline = time.monotonic() + self._seconds
        for connection in self._connections():
            left = deadline - time.monotonic()
            found = await self._asked(connection, quote(path).encode(), asked, body, left) if left > 0 else None
            if found is not None:
                # Who names a version in the path means this one.
                return _reply(found) if found.status != _NOT_THERE else None
        return None

    def close(self) -> None:
        """Nothing is forwarded any more."""
        self._until = 0.0
        while self._idle:
            self._idle.popleft().close()

    def _connections(self) -> Iterator[PodConnection]:
        """Those that lead to a pod of the other slot, and then new ones."""
        while self._idle:
            kept = self._idle.popleft()
            if kept.is_open:
                yield kept
        yield from (PodConnection(service) for service in islice(cycle(self._services), TRIES))

    async def _asked(
        self, connection: PodConnection, path: bytes, headers: Headers, body: bytes, seconds: float
    ) -> PeerResponse | None:
        """The answer of a pod of the other slot. The connection to it is kept for the next request."""
        try:
            found = await connection.exchange(path, headers, body, seconds=seconds, most=MAX_ANSWER_BYTES)
        except Failed:
            return None
        if found.status == _MISDIRECTED or found.header(b"x-viridian-slot") == self._slot:
            connection.close()
            return None
        if connection.is_open:
            self._idle.append(connection)
        return found


def services(preview: str) -> tuple[Target, ...]:
    """The Services behind which the other slot may be: the live one and its preview."""
    if not preview:
        return ()
    beside = Target(preview)
    host, _, domain = beside.host.partition(".")
    if not host.endswith(_PREVIEW):
        return (beside,)
    live = host.removesuffix(_PREVIEW) + (f".{domain}" if domain else "")
    return Target(f"http://{live}:{beside.port}"), beside


def _reply(found: PeerResponse) -> Reply:
    kept = [(name, value) for name, value in found.headers if _is_kept(name.lower())]
    return Reply(found.status, found.body, kept, found.header(b"content-type") or JSON)


def _is_kept(name: bytes) -> bool:
    return name in _ANSWERED or name.startswith(_OWN)

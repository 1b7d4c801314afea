"""Reading what is sent, within limits: of one request, and of all together that are not stored yet."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request

from viridian.feedback.problems import Busy, Problem, TooSlow
from viridian.http.bodies import SLOW, announced_length

AT_ONCE: Final = 2
"""So many of the largest requests are in memory at the same time; what is made of them takes twice as much again."""


class Bodies:
    """Counts the bytes that are in memory."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._left = max_bytes * AT_ONCE

    @contextlib.asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body. Its room is given back at the end of the block, which lasts until what it says is stored."""
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Problem(415, "the body must not be compressed; Parquet compresses its own columns")
        if announced_length(request.scope["headers"]) > self._max:
            raise self._too_large()
        taken = 0
        parts: list[bytes] = []
        try:
            async for part in request.stream():
                if taken + len(part) > self._max:
                    raise self._too_large()
                if len(part) > self._left:
                    raise Busy
                taken += len(part)
                self._left -= len(part)
                parts.append(part)
            if SLOW in request.scope:
                raise TooSlow
            yield b"".join(parts)
        finally:
            self._left += taken

    def _too_large(self) -> Problem:
        return Problem(413, f"a body has at most {self._max} bytes; send it in parts")

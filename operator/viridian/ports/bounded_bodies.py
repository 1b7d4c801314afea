"""Bodies of answers, of which no more is taken than was agreed."""

from __future__ import annotations

import aiohttp


class TooLong(Exception):
    """The answer is longer than was agreed."""


async def bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body of an answer; TooLong as soon as more than so many bytes have come, and then no more are taken.

    Pieces are put together at the end: a buffer that grows may be copied whole, and an endless answer costs double.
    """
    pieces, length = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        length += len(piece)
        if length > most:
            response.close()
            raise TooLong(f"it is longer than {most} bytes")
    return b"".join(pieces)

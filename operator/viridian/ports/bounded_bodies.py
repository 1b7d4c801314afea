"""Bodies of answers, of which no more is taken than was agreed."""

from __future__ import annotations

import aiohttp


class TooLong(Exception):
    """The answer is longer than was agreed."""


async def bounded(response: aiohttp.ClientResponse, most: int) -> bytearray:
    """The body of an answer; TooLong as soon as more than so many bytes have come, and then no more are taken."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > most:
            response.close()
            raise TooLong(f"it is longer than {most} bytes")
    return body

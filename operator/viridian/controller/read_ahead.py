"""Reads the next item while the present one is worked on, so that waiting for a server costs no time of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

Item = TypeVar("Item")


async def read_ahead(items: AsyncGenerator[Item]) -> AsyncGenerator[Item]:
    """The same items in the same order. Close it with `contextlib.aclosing`: a read may be under way."""

    async def following() -> Item | None:
        return await anext(items, None)

    reading = asyncio.create_task(following())
    try:
        while (item := await reading) is not None:
            reading = asyncio.create_task(following())
            yield item
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await items.aclose()

"""The next item is read while the present one is worked on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from tests.support.virtual_time import run_virtually
from viridian.controller.read_ahead import read_ahead


async def read_slowly(until: int, *, ends: list[str]) -> AsyncGenerator[int]:
    try:
        for number in range(until):
            await asyncio.sleep(1)
            yield number
        if until == 4:
            raise OSError("the fifth")
    finally:
        ends.append("closed")


async def read_all(items: AsyncGenerator[int], found: list[int]) -> None:
    """Work for a second on each item."""
    async with aclosing(read_ahead(items)) as numbers:
        async for number in numbers:
            found.append(number)
            await asyncio.sleep(1)


def test_reading_and_working_overlap_and_keep_the_order() -> None:
    async def main() -> None:
        loop, ends = asyncio.get_running_loop(), list[str]()
        began, found = loop.time(), list[int]()
        await read_all(read_slowly(5, ends=ends), found)
        assert found == [0, 1, 2, 3, 4]
        assert loop.time() - began == pytest.approx(6)
        assert ends == ["closed"]

    run_virtually(main())


def test_an_error_comes_after_the_items_before_it() -> None:
    async def main() -> None:
        ends, found = list[str](), list[int]()
        with pytest.raises(OSError, match="the fifth"):
            await read_all(read_slowly(4, ends=ends), found)
        assert found == [0, 1, 2, 3]
        assert ends == ["closed"]

    run_virtually(main())


def test_who_leaves_early_ends_the_read_that_is_under_way() -> None:
    async def main() -> None:
        ends = list[str]()
        async with aclosing(read_ahead(read_slowly(5, ends=ends))) as numbers:
            async for _ in numbers:
                await asyncio.sleep(0.5)
                break
        assert ends == ["closed"]
        assert len(asyncio.all_tasks()) == 1

    run_virtually(main())

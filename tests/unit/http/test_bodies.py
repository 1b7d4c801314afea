"""Memory for the bodies that arrive at the same time."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest

from viridian.http.bodies import BodyRoom, BodyTooLarge, NoRoom, read_body

FREE = BodyRoom.FREE
LIMIT = 20 * FREE


async def read(room: BodyRoom, sizes: list[int]) -> bytes:
    """A body that comes in pieces of these sizes."""
    pieces = iter(sizes)
    left = len(sizes)

    async def receive() -> MutableMapping[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": b"x" * next(pieces), "more_body": left > 0}

    return await read_body({}, receive, LIMIT, 0, room)


async def test_a_body_that_finds_no_room_is_let_go_of_and_leaves_the_room_as_it_was() -> None:
    room = BodyRoom(4 * FREE)
    with pytest.raises(NoRoom):
        await read(room, [FREE] * 6)
    for _ in range(3):
        assert len(await read(room, [FREE] * 5)) == 5 * FREE


async def test_small_bodies_need_no_room() -> None:
    room = BodyRoom(0)
    assert len(await read(room, [FREE // 2, FREE // 2])) == FREE
    with pytest.raises(NoRoom):
        await read(room, [FREE, 1])


async def test_the_limit_of_one_body_counts_as_well() -> None:
    room = BodyRoom(100 * LIMIT)
    with pytest.raises(BodyTooLarge):
        await read(room, [FREE] * 30)
    room.grow(0, 100 * LIMIT + FREE)
    with pytest.raises(NoRoom):
        room.grow(100 * LIMIT + FREE, 100 * LIMIT + FREE + 1)

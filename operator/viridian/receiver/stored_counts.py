"""How many events are stored for a policy, so that no sender fills the API server."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

COUNTED_SECONDS: Final = 1.0
"""For so long a count of the API server is believed; what this process stores meanwhile is added."""
FAR_SECONDS: Final = 10.0
"""The same while less than half of the limit is known."""
_MAX_COUNTS: Final = 1000


@dataclass(slots=True)
class _Count:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    counted: float = float("-inf")
    known: int = 0
    """As counted, and what this process has stored since."""
    begun: int = 0
    """Writes under way: they may be in the next count or not."""


class StoredCounts:
    """Never more than the limit by this process; another operator may add what it stores within a second."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    async def begin(self, uid: str, count: Callable[[], Awaitable[int]]) -> bool:
        """Whether one more may be stored for the policy with that uid; then `end` must follow."""
        found = self._counts.setdefault(uid, _Count())
        self._counts.move_to_end(uid)
        async with found.lock:
            known = found.known + found.begun
            if self._clock() - found.counted > (FAR_SECONDS if 2 * known < self._limit else COUNTED_SECONDS):
                found.known = await count()
                found.counted = self._clock()
            if found.known + found.begun >= self._limit:
                return False
            found.begun += 1
        self._forget_some()
        return True

    def end(self, uid: str, *, stored: bool) -> None:
        """The write has come to its end."""
        if found := self._counts.get(uid):
            found.begun -= 1
            found.known += stored

    def _forget_some(self) -> None:
        if len(self._counts) <= _MAX_COUNTS:
            return
        idle = [uid for uid, found in self._counts.items() if not found.begun and not found.lock.locked()]
        for uid in idle[: len(self._counts) - _MAX_COUNTS]:
            del self._counts[uid]

"""Answers of the API server that are believed for a short while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

_REMEMBERED: Final = 10_000
_Answer = TypeVar("_Answer")


class Remembered(Generic[_Answer]):
    """The newest answers, each for so many seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._answers: OrderedDict[Hashable, tuple[float, _Answer]] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Task[_Answer]] = {}

    async def get(self, question: Hashable, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The answer that is remembered, or else the one that `ask` gives."""
        found = self._answers.get(question)
        if found is not None and found[0] > self._clock():
            return found[1]
        # A second request for the same waits for that response.
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(self._ask(question, ask))
            asking.add_done_callback(lambda done: self._answered(question, done))
        return await asyncio.shield(asking)

    def _answered(self, question: Hashable, done: asyncio.Task[_Answer]) -> None:
        del self._asking[question]
        if not done.cancelled():
            done.exception()  # the caller may have disconnected

    async def _ask(self, question: Hashable, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        answer = await ask()
        self._answers[question] = (self._clock() + self._seconds, answer)
        self._answers.move_to_end(question)
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        return answer

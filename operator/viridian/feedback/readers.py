"""Long questions: a few at a time, in threads of their own. The others wait without a thread and a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from viridian.feedback.problems import RETRY_SECONDS, Problem

AT_ONCE: Final = 3
_MOST_WAITING: Final = 64
_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


class Readers:
    """Those who look things up; what is stored meanwhile does not wait for them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="reader")
        self._asked = 0

    async def ask(
        self, question: Callable[_Arguments, _Answer], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Answer:
        """The answer, when it is this question's turn; 429 where too many wait already."""
        if self._asked >= AT_ONCE + _MOST_WAITING:
            raise Problem(429, "too many questions are waiting to be answered; ask again later", RETRY_SECONDS)
        self._asked += 1
        thread = self._threads.submit(question, *arguments, **named)
        loop = asyncio.get_running_loop()
        # Counted until it has ended, which may be long after whoever asked has gone.
        thread.add_done_callback(lambda _: _soon(loop, self._answered))
        return await asyncio.wrap_future(thread)

    def stop(self) -> None:
        """Nobody waits for what is still under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _answered(self) -> None:
        self._asked -= 1


def _soon(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)

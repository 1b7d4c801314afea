"""Long questions: a few at a time, in threads of their own. The others wait without a thread and a connection.

Namespaces take turns, and none of them has all threads: a namespace with many queries waits for its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from viridian.feedback.problems import RETRY_SECONDS, HttpProblem
from viridian.feedback.storage.fair_queue import FairQueue

MAX_CONCURRENT: Final = 3
_MOST_WAITING: Final = 64
"""Of one namespace; of all together four times as many."""
_NAMESPACES: Final = 4
_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


class Readers:
    """Those who look things up; what is stored meanwhile does not wait for them."""

    def __init__(self, at_once: int = MAX_CONCURRENT) -> None:
        self._at_once = at_once
        self._threads = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="reader")
        self._turns: FairQueue[asyncio.Future[None]] = FairQueue()
        self._asked: Counter[str] = Counter()
        """Questions that have no answer yet, by namespace."""
        self._running: Counter[str] = Counter()

    async def ask(
        self,
        namespace: str,
        question: Callable[_Arguments, _Answer],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Answer:
        """The answer, when it is this question's turn; 429 where too many wait already."""
        most = self._at_once + _MOST_WAITING
        if self._asked[namespace] >= most or self._asked.total() >= most * _NAMESPACES:
            raise HttpProblem(429, "too many questions are waiting to be answered; ask again later", RETRY_SECONDS)
        await self._turn(namespace)
        thread = self._threads.submit(question, *arguments, **named)
        loop = asyncio.get_running_loop()
        # Counted until it has ended, which may be long after the caller has disconnected.
        thread.add_done_callback(lambda _: _schedule(loop, partial(self._answered, namespace)))
        return await asyncio.wrap_future(thread)

    def stop(self) -> None:
        """Nobody waits for what is still under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _turn(self, namespace: str) -> None:
        """Returns when a thread is free for this namespace; it counts as running from then on."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked[namespace] += 1
        self._turns.add(namespace, turn)
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._turns.remove(namespace, turn)
                _less(self._asked, namespace)
                self._next()
            else:
                self._answered(namespace)
            raise

    def _next(self) -> None:
        while self._running.total() < self._at_once and (found := self._turns.next(self._may_run)):
            namespace, turn = found
            self._running[namespace] += 1
            turn.set_result(None)

    def _may_run(self, namespace: str, turn: asyncio.Future[None]) -> bool:
        """One thread is left for the others."""
        return not turn.cancelled() and self._running[namespace] < max(1, self._at_once - 1)

    def _answered(self, namespace: str) -> None:
        _less(self._asked, namespace)
        _less(self._running, namespace)
        self._next()


def _less(counts: Counter[str], name: str) -> None:
    """One less; what is 0 is forgotten."""
    counts[name] -= 1
    if counts[name] <= 0:
        del counts[name]


def _schedule(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)

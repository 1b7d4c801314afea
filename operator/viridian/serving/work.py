"""Where synchronous work runs: on the event loop while it is quick, on a few threads when it may not be.

A hop to a thread and back costs about as much as a whole small prediction, so quick models stay on the loop. Slow ones
leave it, so that health, metrics and the end of connections are answered whatever the model does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

QUICK_SECONDS: Final = 0.001
"""At most this long may one request hold up everything else."""
_RISING: Final = 0.5
_FALLING: Final = 0.02
"""Weights of the newest duration in the moving estimate. Leaving the loop is quick, coming back takes many answers:
a model that is slow now and then must not stop the loop now and then."""
_SIZES: Final = 64

T = TypeVar("T")


class Work:
    """Keeps one moving estimate of duration for each size of request, by powers of two of its bytes.

    A size that was not seen yet goes to a thread: only what has shown to be quick runs on the loop.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._seconds: list[float | None] = [None] * _SIZES

    async def run(self, size: int, call: Callable[[], T]) -> T:
        """What the call returns or raises."""
        place = min(size.bit_length(), _SIZES - 1)
        estimate = self._seconds[place]
        if estimate is not None and estimate < QUICK_SECONDS:
            return self._timed(place, call)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._timed, place, call)

    def _timed(self, place: int, call: Callable[[], T]) -> T:
        """Measures processor time: waiting for one's turn on a busy machine is no slowness of the model.

        Only what succeeds tells how long the model takes: refusing bad input is quick for the slowest model.
        """
        began = time.thread_time()
        result = call()
        took = time.thread_time() - began
        known = self._seconds[place]
        if known is None:
            self._seconds[place] = took
        else:
            # Two threads may lose one of their updates to each other; an estimate does not mind.
            self._seconds[place] = known + (_RISING if took > known else _FALLING) * (took - known)
        return result

    def close(self) -> None:
        """No more calls."""
        self._pool.shutdown(wait=False)

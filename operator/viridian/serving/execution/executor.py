"""Where predictions are made: on the event loop while they are quick, on a few threads when they may not be.

A hop to a thread and back costs about as much as a whole small prediction, so quick models stay on the loop. Slow ones
leave it, so that health, metrics and the end of connections are answered whatever the model does. Those that wait for
a thread are bounded in number and bytes.

Quick requests that have arrived in the same round of the loop are answered together: most of a small prediction is
what a call costs, whatever its rows. Those that wait for a thread are answered together where that has shown to make
each of them cheaper. Nobody waits for requests that are still to come.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from viridian.serving.errors import Busy, TookTooLong, TurnMissed
from viridian.serving.execution.batch_size import MAX_BATCH, BatchSizer

QUICK_SECONDS: Final = 0.001
"""At most this long may one request hold up everything else."""
ROUND_SECONDS: Final = 0.01
"""At most this long may those hold up everything else that are answered together."""
_RISING: Final = 0.5
_FALLING: Final = 0.02
"""Weights of the newest duration in the moving estimate. Leaving the loop is quick, coming back takes many answers:
a model that is slow now and then must not stop the loop now and then."""
_SIZES: Final = 64
LOOP_BYTES: Final = 256 * 1024
"""Larger requests never run on the loop: what is quick for most of that size need not be for the next one."""
SMALL_BYTES: Final = 16 * 1024
"""Larger requests have rows enough of their own and are answered alone."""
_LONGEST_ADVICE: Final = 30

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLimits:
    """Of what waits for a thread, and of how long a request may wait."""

    requests: int
    bytes: int
    seconds: float


@dataclass(eq=False, slots=True)
class _Job(Generic[Q, R]):
    item: Q
    size: int
    place: int
    future: asyncio.Future[R]
    begun: bool = False


class PredictionExecutor(Generic[Q, R]):
    """Keeps one moving estimate of duration for each size of request, by powers of two of its bytes.

    A size that was not seen yet goes to a thread: only what has shown to be quick runs on the loop.
    """

    def __init__(
        self, call: Callable[[Sequence[Q]], Sequence[R | Exception]], threads: int, limits: WorkLimits
    ) -> None:
        self._call = call
        self._threads = threads
        self._limits = limits
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._seconds: list[float | None] = [None] * _SIZES
        self._sizer = BatchSizer()
        self._lock = threading.Lock()
        self._waiting: deque[_Job[Q, R]] = deque()
        self._quick: deque[_Job[Q, R]] = deque()
        """Of this round of the loop."""
        self._bytes = 0
        self._busy = 0
        self.together = 0
        """Requests that were answered in one call with others, so far."""

    @property
    def waiting(self) -> int:
        """Requests for which no thread is free."""
        return len(self._waiting)

    async def run(self, item: Q, size: int) -> R:
        """What the call gives for this item, or raises what it gives instead; Busy, TurnMissed or TookTooLong."""
        place = min(size.bit_length(), _SIZES - 1)
        estimate = self._seconds[place]
        if estimate is None or estimate >= QUICK_SECONDS or size > LOOP_BYTES:
            return await self._on_a_thread(item, size, place)
        loop = asyncio.get_running_loop()
        if not self._quick:
            loop.call_soon(self._serve_round, loop)
        job = _Job[Q, R](item, size, place, loop.create_future())
        self._quick.append(job)
        return await job.future

    def _serve_round(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop: one call; what is left is for the next round."""
        jobs = self._portion(self._quick, MAX_BATCH, ROUND_SECONDS)
        if self._quick:
            loop.call_soon(self._serve_round, loop)
        results, _ = self._timed(jobs)
        _settle(jobs, results)

    async def _on_a_thread(self, item: Q, size: int, place: int) -> R:
        job = _Job[Q, R](item, size, place, asyncio.get_running_loop().create_future())
        with self._lock:
            if len(self._waiting) >= self._limits.requests or self._bytes + size > self._limits.bytes:
                raise Busy(self._advice(place))
            self._waiting.append(job)
            self._bytes += size
            if self._busy < self._threads:
                self._busy += 1
                self._pool.submit(self._serve, asyncio.get_running_loop())
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await job.future
        except TimeoutError:
            if job.begun:
                raise TookTooLong(self._limits.seconds) from None
            raise TurnMissed(self._advice(place)) from None
        finally:
            self._forget(job)

    def _forget(self, job: _Job[Q, R]) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            if not job.begun:
                job.begun = True
                self._waiting.remove(job)
                self._bytes -= job.size

    def _advice(self, place: int) -> int:
        """In how many seconds what waits now may have been answered."""
        each = self._seconds[place] or QUICK_SECONDS
        return max(1, min(_LONGEST_ADVICE, math.ceil(len(self._waiting) * each / self._threads)))

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """On a thread: until nothing waits."""
        while jobs := self._next():
            results, seconds = self._timed(jobs)
            if seconds is not None and jobs[0].size <= SMALL_BYTES:
                self._sizer.took(len(jobs), seconds)
            loop.call_soon_threadsafe(_settle, jobs, results)

    def _next(self) -> list[_Job[Q, R]]:
        with self._lock:
            jobs = self._portion(self._waiting, self._sizer.most, math.inf)
            self._bytes -= sum(job.size for job in jobs)
            if not jobs:
                self._busy -= 1
            return jobs

    def _portion(self, queue: deque[_Job[Q, R]], most: int, seconds: float) -> list[_Job[Q, R]]:
        """The oldest job, with so many others at most as are small and take no longer than that."""
        jobs: list[_Job[Q, R]] = []
        while queue and len(jobs) < most:
            seconds -= self._seconds[queue[0].place] or 0.0
            if jobs and (seconds < 0.0 or max(jobs[0].size, queue[0].size) > SMALL_BYTES):
                break
            job = queue.popleft()
            job.begun = True
            jobs.append(job)
        if len(jobs) > 1:
            self.together += len(jobs)
        return jobs

    def _timed(self, jobs: Sequence[_Job[Q, R]]) -> tuple[Sequence[R | Exception], float | None]:
        """The results and the processor time they took: waiting on a busy machine is no slowness of the model.

        Only a success shows how long the model takes: refusing bad input is quick for the slowest model. Where it
        is slow, the next bad input must not hold up the loop.
        """
        began = time.thread_time()
        try:
            results = self._call([job.item for job in jobs])
        except Exception as error:
            # A fault of ours: nobody may wait for ever because of it.
            return [error] * len(jobs), None
        took = time.thread_time() - began
        if any(isinstance(result, Exception) for result in results):
            if took > QUICK_SECONDS * len(jobs):
                self._estimate(jobs[0].place, took / len(jobs), alone=False)
            return results, None
        self._estimate(jobs[0].place, took / len(jobs), alone=len(jobs) == 1)
        return results, took

    def _estimate(self, place: int, took: float, alone: bool) -> None:
        known = self._seconds[place]
        # Two threads may lose one of their updates to each other; an estimate does not mind.
        if known is None:
            self._seconds[place] = took
        elif took > known:
            self._seconds[place] = known + _RISING * (took - known)
        elif alone:  # with others each takes less, which says nothing about one
            self._seconds[place] = known + _FALLING * (took - known)

    def close(self) -> None:
        """No more calls."""
        self._pool.shutdown(wait=False)


def _settle(jobs: Sequence[_Job[Q, R]], results: Sequence[R | Exception]) -> None:
    """Back on the loop: everybody who still waits gets his own."""
    for job, result in zip(jobs, results, strict=True):
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)

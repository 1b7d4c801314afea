"""One writer for everything: what waits is committed together, and nobody is answered before that.

One commit costs one wait for the disk, whether it holds one row or thousands: under load commits grow, not the queue.
Namespaces take turns, and each may have some work in the queue, however much others have there.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast

import sqlalchemy as sa

from viridian.feedback.collector_metrics import CollectorMetrics
from viridian.feedback.logs import note_failure
from viridian.feedback.problems import CollectorBusy, Full, HttpProblem, Servers, ServiceUnavailable
from viridian.feedback.storage.catalog import Catalog
from viridian.feedback.storage.database import immediate, is_full, scrub
from viridian.feedback.storage.fair_queue import FairQueue

COMMIT_ROWS: Final = 5_000
"""Rows after which a commit does not grow any more, so that nobody waits long for the work of others."""
_SHARES: Final = 4
"""A namespace may have this part of the queue whatever the others do; more while there is room."""

Answer = TypeVar("Answer", covariant=True)


@dataclass(frozen=True)
class Transaction:
    """What a piece of work may use. It is undone as a whole when it raises."""

    connection: sa.Connection
    catalog: Catalog
    now: float
    """Seconds since 1970."""


class WriteJob(Protocol[Answer]):
    """Something to be written. It may be run twice: when what was committed together with it failed."""

    @property
    def rows(self) -> int:
        """How much of the queue it takes."""

    def run(self, transaction: Transaction) -> Answer:
        """Its writes, and the response to the sender."""


@dataclass(frozen=True)
class _Waiting:
    work: WriteJob[Any]
    namespace: str
    answer: asyncio.Future[Any]


class Writer:
    """Runs in its own thread, one transaction after the other, until it is stopped."""

    def __init__(
        self, engine: sa.Engine, metrics: CollectorMetrics, queue_rows: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._limit = queue_rows
        self._clock = clock
        self._catalog = Catalog()
        self._queue: FairQueue[_Waiting] = FairQueue()
        self._queued_rows: Counter[str] = Counter()
        """By namespace; what is being written counts."""
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        metrics.watch_queue(self._queued_rows.total)

    def start(self) -> None:
        """From now on work is done; what was given before has waited."""
        self._task = asyncio.create_task(self._run(), name="writer")

    @property
    def alive(self) -> bool:
        """Whether work that is given now will be done."""
        return self._task is not None and not self._task.done() and not self._stopping

    async def stop(self) -> None:
        """What was given is committed; nothing more is taken."""
        self._stopping = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def write(self, work: WriteJob[Answer], namespace: str = "", patient: bool = False) -> Answer:
        """Returns when it is on disk. Busy or ServiceUnavailable: nothing of it is, and never will be.

        A patient caller waits in a full queue, too: the sweeper, which frees space and has one job at a time.
        """
        if self._stopping:
            raise ServiceUnavailable("the collector is being stopped and")
        if not patient and not self._admits(namespace, work.rows):
            raise CollectorBusy
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.add(namespace, _Waiting(work, namespace, answer))
        self._queued_rows[namespace] += work.rows
        self._arrived.set()
        return cast(Answer, await answer)

    def _admits(self, namespace: str, rows: int) -> bool:
        """Of a namespace that has nothing in the queue anything is let in, or what is large never would be."""
        mine = self._queued_rows[namespace]
        everybody = self._queued_rows.total()
        return not mine or mine + rows <= self._limit // _SHARES or everybody + rows <= self._limit

    async def scrub(self) -> bool:
        """Between two transactions: nothing deleted is left in a file; False where it must be tried again."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, scrub, self._engine)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue or not self._stopping:
            self._arrived.clear()
            if not self._queue:
                await self._arrived.wait()
                continue
            together = self._next()
            results = await loop.run_in_executor(self._thread, self._commit, [waiting.work for waiting in together])
            for waiting, result in zip(together, results, strict=True):
                self._queued_rows[waiting.namespace] -= waiting.work.rows
                if self._queued_rows[waiting.namespace] <= 0:
                    del self._queued_rows[waiting.namespace]
                _settle(waiting.answer, result)

    def _next(self) -> list[_Waiting]:
        together: list[_Waiting] = []
        rows = 0

        def fits(_: str, waiting: _Waiting) -> bool:
            return not together or rows + waiting.work.rows <= COMMIT_ROWS

        while found := self._queue.next(fits):
            together.append(found[1])
            rows += found[1].work.rows
        return together

    def _commit(self, works: list[WriteJob[Any]]) -> list[Any]:
        """An answer or an exception for each. When they fail together, each gets a transaction of its own."""
        try:
            return self._transact(works)
        except Exception as error:
            if len(works) > 1:
                return [result for work in works for result in self._commit([work])]
            return [self._explained(error)]

    def _transact(self, works: list[WriteJob[Any]]) -> list[Any]:
        started = time.monotonic()
        try:
            with immediate(self._engine.connect()) as connection, connection.begin():
                transaction = Transaction(connection, self._catalog, self._clock())
                results = [_result(work, transaction) for work in works]
        except BaseException:
            self._catalog.forget()
            raise
        self._metrics.committed(time.monotonic() - started, sum(work.rows for work in works))
        return results

    def _explained(self, error: Exception) -> Exception:
        if isinstance(error, HttpProblem):
            return error
        self._metrics.failed()
        note_failure("a transaction was rolled back", error)
        if is_full(error):
            return Full()
        if isinstance(error, sa.exc.DataError):
            return HttpProblem(
                400, "the database cannot hold what was sent: a number is too large, or a text has a NUL"
            )
        return (
            ServiceUnavailable("the database") if isinstance(error, (sa.exc.DBAPIError, sa.exc.TimeoutError)) else error
        )


def _result(work: WriteJob[Any], transaction: Transaction) -> Any:
    try:
        return work.run(transaction)
    except Servers as problem:
        return problem


def _settle(answer: asyncio.Future[Any], result: Any) -> None:
    with contextlib.suppress(asyncio.InvalidStateError):  # who asked has gone
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)

"""Every now and then: what is too old goes, a thousand rows at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from viridian.feedback import tables
from viridian.feedback.logs import note_failure
from viridian.feedback.metrics import Fate, Kind, Metrics
from viridian.feedback.privacy import Privacy
from viridian.feedback.problems import Problem
from viridian.feedback.retention import STEP_ROWS, ExpirePredictions, ExpireProfiles, ExpireWaiting
from viridian.feedback.snapshots import Snapshots
from viridian.feedback.writer import Work, Writer


@dataclass(frozen=True)
class Limits:
    """How long things are kept at most, in seconds."""

    rows: float
    profiles: float
    snapshots: float


class Sweeper:
    """Deletes through the writer, as one sender among others."""

    def __init__(
        self,
        engine: sa.Engine,
        writer: Writer,
        snapshots: Snapshots,
        privacy: Privacy,
        metrics: Metrics,
        limits: Limits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._snapshots = snapshots
        self._privacy = privacy
        self._metrics = metrics
        self._limits = limits
        self._clock = clock
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """`run` ends after the step that it is at."""
        self._stopping.set()

    async def run(self, seconds: float) -> None:
        """Until it is stopped; what fails is tried again the next time."""
        while not self._stopping.is_set():
            try:
                await self.sweep()
            except Problem as problem:
                note_failure("nothing was deleted this time", problem)
            except sa.exc.SQLAlchemyError as error:
                note_failure("nothing was deleted this time", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)

    async def sweep(self) -> None:
        """All that is too old now."""
        now = self._clock()
        for namespace, deployment in await asyncio.to_thread(self._deployments):
            kept = self._privacy.of(namespace, deployment).retention_seconds
            before = now - min(self._limits.rows, self._limits.rows if kept is None else kept)
            deleted = await self._until_done(ExpirePredictions(namespace, deployment, before))
            self._metrics.rows(Kind.PREDICTION, Fate.EXPIRED, deleted)
        self._metrics.rows(Kind.OUTCOME, Fate.EXPIRED, await self._until_done(ExpireWaiting(now - self._limits.rows)))
        self._metrics.rows(
            Kind.PROFILE, Fate.EXPIRED, await self._until_done(ExpireProfiles(now - self._limits.profiles))
        )
        await self._snapshots.expire(now - self._limits.snapshots)

    async def _until_done(self, work: Work[int]) -> int:
        total = 0
        while True:
            deleted = await self._writer.write(work)
            total += deleted
            if deleted < STEP_ROWS or self._stopping.is_set():
                return total

    def _deployments(self) -> list[tuple[str, str]]:
        query = (
            sa.select(tables.spaces.c.namespace, tables.served.c.deployment)
            .join(tables.spaces, tables.spaces.c.key == tables.served.c.space)
            .distinct()
        )
        with self._engine.connect() as connection, connection.begin():
            return [(namespace, deployment) for namespace, deployment in connection.execute(query)]

"""Every now and then: what is too old goes, a thousand rows at a time; counts of long ago are merged into hours."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from viridian.feedback.access.quotas import Quotas
from viridian.feedback.collector_metrics import CollectorMetrics, RowKind, RowResult
from viridian.feedback.figures.training_snapshots import Snapshots
from viridian.feedback.ingest.stored_rows import Privacy
from viridian.feedback.logs import note_failure
from viridian.feedback.storage import hourly_profiles, tables
from viridian.feedback.storage.database import Database
from viridian.feedback.storage.keep_rules import ForgetRules
from viridian.feedback.storage.retention import (
    STEP_ROWS,
    ExpirePredictions,
    ExpireProfiles,
    ExpireWaiting,
    ForgetServers,
)
from viridian.feedback.storage.usage import usage
from viridian.feedback.storage.writer import WriteJob, Writer


@dataclass(frozen=True)
class RetentionLimits:
    """How long things are kept at most, in seconds."""

    rows: float
    profiles: float
    profile_detail: float
    """After this, only hours are distinguished."""
    snapshots: float


class Sweeper:
    """Deletes through the writer, as one sender among others."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        snapshots: Snapshots,
        privacy: Privacy,
        quotas: Quotas,
        metrics: CollectorMetrics,
        limits: RetentionLimits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._writer = writer
        self._snapshots = snapshots
        self._privacy = privacy
        self._quotas = quotas
        self._metrics = metrics
        self._limits = limits
        self._clock = clock
        self._stopping = asyncio.Event()
        self._sweeping = asyncio.Lock()
        self._merged_until = 0.0

    def stop(self) -> None:
        """`run` ends after the step that it is at."""
        self._stopping.set()

    async def run(self, seconds: float) -> None:
        """Until it is stopped; what fails is tried again the next time."""
        while not self._stopping.is_set():
            await self.sweep()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)

    async def sweep(self) -> None:
        """All that is too old now; after one that is under way, as only one piece of its work may wait at a time."""
        async with self._sweeping:
            await self._sweep()

    async def _sweep(self) -> None:
        """One step fails for itself: what is stored of one tenant keeps nothing of another one for longer."""
        now = self._clock()
        with _logged_failure():
            self._metrics.database(await asyncio.to_thread(self._database.bytes))
        with _logged_failure():
            for namespace, deployment in await asyncio.to_thread(self._deployments):
                with _logged_failure():
                    await self._expire_rows(namespace, deployment, now)
        with _logged_failure():
            waited = await self._until_done(ExpireWaiting(now - self._limits.rows))
            self._metrics.rows(RowKind.OUTCOME, RowResult.EXPIRED, waited)
        with _logged_failure():
            counted = await self._until_done(ExpireProfiles(now - self._limits.profiles))
            self._metrics.rows(RowKind.PROFILE, RowResult.EXPIRED, counted)
        with _logged_failure():
            await self._snapshots.expire(
                lambda namespace, deployment: now - self._kept(namespace, deployment, self._limits.snapshots)
            )
        with _logged_failure():
            await self._until_done(ForgetServers())
        with _logged_failure():
            await self._forget_rules()
        with _logged_failure():
            self._quotas.now_stored(await asyncio.to_thread(usage, self._database.reading))
        with _logged_failure():
            await self._merge_profiles(
                (now - self._limits.profile_detail) // hourly_profiles.HOUR * hourly_profiles.HOUR
            )
        with _logged_failure():
            await self._writer.scrub()

    async def _expire_rows(self, namespace: str, deployment: str, now: float) -> None:
        before = now - self._kept(namespace, deployment, self._limits.rows)
        deleted = await self._until_done(ExpirePredictions(namespace, deployment, before))
        self._metrics.rows(RowKind.PREDICTION, RowResult.EXPIRED, deleted)

    async def _forget_rules(self) -> None:
        """Of deployments that are gone and of which no row is left."""
        for namespace, deployment in self._privacy.closed:
            if await self._writer.write(ForgetRules(namespace, deployment), patient=True):
                self._privacy.forget(namespace, deployment)

    def _kept(self, namespace: str, deployment: str, at_most: float) -> float:
        """How long something of a deployment is kept, in seconds."""
        own = self._privacy.of(namespace, deployment).retention_seconds
        return at_most if own is None else min(at_most, own)

    async def _merge_profiles(self, until: float) -> None:
        """Whole hours, each once; what comes in later than that is merged after the next start."""
        if until <= self._merged_until:
            return
        engine, since = self._database.reading, self._merged_until
        for served in await asyncio.to_thread(hourly_profiles.servers_between, engine, since, until):
            for run in await asyncio.to_thread(hourly_profiles.mergeable, engine, served, since, until):
                with _logged_failure():
                    await self._writer.write(await asyncio.to_thread(hourly_profiles.merged, engine, run), patient=True)
                if self._stopping.is_set():
                    return
        self._merged_until = until

    async def _until_done(self, work: WriteJob[int]) -> int:
        total = 0
        while True:
            deleted = await self._writer.write(work, patient=True)
            total += deleted
            if deleted < STEP_ROWS or self._stopping.is_set():
                return total

    def _deployments(self) -> list[tuple[str, str]]:
        query = (
            sa.select(tables.spaces.c.namespace, tables.served.c.deployment)
            .join(tables.spaces, tables.spaces.c.key == tables.served.c.space)
            .distinct()
        )
        with self._database.reading.connect() as connection, connection.begin():
            return [(namespace, deployment) for namespace, deployment in connection.execute(query)]


@contextlib.contextmanager
def _logged_failure() -> Iterator[None]:
    """A failure is logged, and the step is tried again the next time."""
    try:
        yield
    except Exception as error:
        note_failure("nothing was deleted or merged this time", error)

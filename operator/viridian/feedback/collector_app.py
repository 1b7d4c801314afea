"""Everything that lives as long as the process, put together."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import sqlalchemy as sa

from viridian.access.authorizer import Authorizer
from viridian.feedback.access.authorization import Access
from viridian.feedback.access.quotas import Quotas
from viridian.feedback.collector_metrics import CollectorMetrics
from viridian.feedback.collector_settings import CollectorSettings
from viridian.feedback.figures.training_snapshots import Snapshots
from viridian.feedback.figures.windows import WindowSums
from viridian.feedback.ingest.request_bodies import Bodies
from viridian.feedback.ingest.stored_rows import Privacy
from viridian.feedback.logs import log
from viridian.feedback.review.leases import Leases
from viridian.feedback.rules_file import RulesUnusable, read_rules
from viridian.feedback.storage.database import Database, open_database
from viridian.feedback.storage.keep_rules import given_rules, own_key
from viridian.feedback.storage.query_pool import Readers
from viridian.feedback.storage.usage import usage
from viridian.feedback.storage.writer import Writer
from viridian.feedback.sweeper import RetentionLimits, Sweeper

_LEAST_KEY_BYTES = 16
OWN_KEY = (
    "the key of hashes lies beside the data: a person with both can find hashed values again by trying. Give a key of "
    "your own with --hash-key-file (Helm: collector.hashKey.existingSecret)"
)
_SHARES = 2
"""One namespace has this part of the volume at most, where nothing else is configured."""


@dataclass(frozen=True)
class CollectorApp:
    """What requests are answered with."""

    settings: CollectorSettings
    database: Database
    access: Access
    bodies: Bodies
    quotas: Quotas
    metrics: CollectorMetrics
    privacy: Privacy
    writer: Writer
    readers: Readers
    decoders: Readers
    windows: WindowSums
    snapshots: Snapshots
    sweeper: Sweeper
    leases: Leases
    clock: Callable[[], float]
    """Seconds since 1970."""

    @property
    def engine(self) -> sa.Engine:
        """For queries."""
        return self.database.reading


@contextlib.asynccontextmanager
async def running(
    settings: CollectorSettings, gate: Authorizer, clock: Callable[[], float] = time.time
) -> AsyncIterator[CollectorApp]:
    """Ready for requests; at the end, what was begun is on disk."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    everywhere, configured = read_rules(settings.rules)
    database = await asyncio.to_thread(open_database, settings.database_url, settings.data_dir)
    engine = database.reading
    metrics = CollectorMetrics()
    privacy = Privacy(_hash_key(settings, engine), everywhere, configured)
    for (namespace, deployment), given in given_rules(engine).items():
        privacy.give(namespace, deployment, given.rules)
        if given.closed:
            privacy.close(namespace, deployment)
    quotas = Quotas(settings.namespace_rows, settings.namespace_bytes, _most_stored(settings))
    quotas.now_stored(usage(engine))
    writer = Writer(database.writing, metrics, settings.queue_rows, clock)
    readers, decoders = Readers(), Readers()
    snapshots = Snapshots(engine, writer, settings.data_dir / "snapshots")
    limits = RetentionLimits(
        rows=settings.retention,
        profiles=settings.profile_retention,
        profile_detail=settings.profile_detail,
        snapshots=settings.snapshot_retention,
    )
    sweeper = Sweeper(database, writer, snapshots, privacy, quotas, metrics, limits, clock)
    writer.start()
    sweeping = asyncio.create_task(sweeper.run(settings.sweep), name="sweeper")
    try:
        yield CollectorApp(
            settings=settings,
            database=database,
            access=Access(gate, settings.token_memory),
            bodies=Bodies(settings.max_body_bytes),
            quotas=quotas,
            metrics=metrics,
            privacy=privacy,
            writer=writer,
            readers=readers,
            decoders=decoders,
            windows=WindowSums(engine),
            snapshots=snapshots,
            sweeper=sweeper,
            leases=Leases(clock),
            clock=clock,
        )
    finally:
        sweeper.stop()
        await sweeping
        await writer.stop()
        readers.stop()
        decoders.stop()
        database.dispose()


def _most_stored(settings: CollectorSettings) -> int:
    """Bytes on the disk for one namespace; 0 for no limit."""
    if settings.namespace_disk_bytes or settings.database_url:
        return settings.namespace_disk_bytes
    return shutil.disk_usage(settings.data_dir).total // _SHARES


def _hash_key(settings: CollectorSettings, engine: sa.Engine) -> bytes:
    if settings.hash_key_file is None:
        log.warning(OWN_KEY)
        return own_key(engine)
    try:
        key = settings.hash_key_file.read_bytes().strip()
    except OSError as error:
        raise RulesUnusable(f"the key of hashes cannot be read: {error}") from error
    if len(key) < _LEAST_KEY_BYTES:
        raise RulesUnusable(f"the key of hashes in {settings.hash_key_file} is too short: write 32 random bytes")
    return key

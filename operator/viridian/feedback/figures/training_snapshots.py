"""Training rows, frozen for a run: one Parquet file that never changes, and its digest.

The file is complete and on disk before the database refers to it, so that a crash leaves at most a file without a name.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
import sqlalchemy as sa

from viridian.api.feedback import Value
from viridian.api.privacy import plain
from viridian.api.profile import Task
from viridian.feedback.ingest.outcomes import SOURCES
from viridian.feedback.problems import RETRY_SECONDS, HttpProblem
from viridian.feedback.storage import tables
from viridian.feedback.storage.catalog import Known, servers_of, space_of
from viridian.feedback.storage.database import is_sqlite
from viridian.feedback.storage.dialects import insert_new, rows_written
from viridian.feedback.storage.splits import Propensities, propensities_of
from viridian.feedback.storage.usage import add_usage
from viridian.feedback.storage.writer import Transaction, Writer

FEATURE_PREFIX: Final = "features."
_CHUNK: Final = 20_000
_MOST_WAITING: Final = 4
_BLOCK: Final = 1 << 20
_INT64: Final = 1 << 63
_TIME: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Choice:
    """Which rows a snapshot takes."""

    start: float | None = None
    end: float | None = None
    labelled_only: bool = False


@dataclass(frozen=True)
class Frozen:
    """A snapshot that exists."""

    path: Path
    digest: str
    rows: int
    labelled: int


@dataclass(frozen=True)
class _Remember:
    """The snapshot of a run, unless the run has one already."""

    namespace: str
    deployment: str
    run_id: str
    frozen: Frozen
    size: int
    rows = 1

    def run(self, transaction: Transaction) -> None:
        row: dict[str, Any] = {
            "space": transaction.catalog.space(transaction.connection, self.namespace),
            "deployment": self.deployment,
            "run": self.run_id,
            "file": self.frozen.path.name,
            "digest": self.frozen.digest,
            "rows": self.frozen.rows,
            "labelled": self.frozen.labelled,
            "time": transaction.now,
        }
        statement = insert_new(transaction.connection, tables.snapshots)
        new = rows_written(transaction.connection, statement, [row])
        add_usage(transaction.connection, row["space"], new * self.size)


class Snapshots:
    """All of them, in one folder."""

    def __init__(self, engine: sa.Engine, writer: Writer, folder: Path) -> None:
        self._engine = engine
        self._writer = writer
        self._folder = folder
        self._one_at_a_time = asyncio.Lock()
        self._asked: Counter[str] = Counter()
        folder.mkdir(parents=True, exist_ok=True)

    async def of_run(
        self, namespace: str, deployment: str, run_id: str, choice: Choice, check_room: Callable[[str], object]
    ) -> Frozen:
        """The snapshot of this run; frozen now unless it was before, where its namespace has room for it."""
        with self._one_more(namespace):
            async with self._one_at_a_time:
                found = await asyncio.to_thread(self.find, namespace, deployment, run_id)
                if found is None:
                    check_room(namespace)
                    found = await asyncio.to_thread(self._freeze, namespace, deployment, choice)
                    await self._writer.write(
                        _Remember(namespace, deployment, run_id, found, _size(found.path)), namespace
                    )
        return found

    @contextlib.contextmanager
    def _one_more(self, namespace: str) -> Iterator[None]:
        """Others wait for at most so many of a namespace."""
        if self._asked[namespace] >= _MOST_WAITING:
            raise HttpProblem(
                429, "too many snapshots of this namespace are being frozen; ask again later", RETRY_SECONDS
            )
        self._asked[namespace] += 1
        try:
            yield
        finally:
            self._asked[namespace] -= 1
            if not self._asked[namespace]:
                del self._asked[namespace]

    async def expire(self, before: Callable[[str, str], float]) -> None:
        """Forget those that are older than what `before` says of their namespace and deployment; delete files that no
        run has, left by that or by a crash."""
        async with self._one_at_a_time:
            old = await asyncio.to_thread(self._older, before)
            if old:
                await self._writer.write(_Forget(old), patient=True)
            await asyncio.to_thread(self._delete_strays)

    def find(self, namespace: str, deployment: str, run_id: str) -> Frozen | None:
        """The snapshot of this run, where it has one."""
        table = tables.snapshots
        with self._engine.connect() as connection, connection.begin():
            space = space_of(connection, namespace)
            here = (table.c.space == space, table.c.deployment == deployment, table.c.run == run_id)
            row = connection.execute(sa.select(table).where(*here)).one_or_none()
        return None if row is None else Frozen(self._folder / row.file, row.digest, row.rows, row.labelled)

    def _freeze(self, namespace: str, deployment: str, choice: Choice) -> Frozen:
        """Write the rows as they are now."""
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".freezing-") as work:
            path = Path(work) / "snapshot.parquet"
            with self._reading() as connection:
                servers = servers_of(connection, namespace, deployment)
                if not servers:
                    raise HttpProblem(404, f"no row has been received of ModelDeployment {namespace}/{deployment} yet")
                chances = propensities_of(connection, namespace, deployment)
                rows, labelled = _write(connection, servers, chances, choice, path)
            digest = _digest(path)
            _sync(path)
            final = self._folder / f"{digest.removeprefix('sha256:')}.parquet"
            path.rename(final)
            _sync(self._folder)
        return Frozen(final, digest, rows, labelled)

    def checked(self, frozen: Frozen) -> Path:
        """The file, whose bytes are still those that were promised; else a problem."""
        if not frozen.path.is_file():
            raise HttpProblem(410, "the file of this snapshot is gone; freeze the rows under another run id")
        if _digest(frozen.path) != frozen.digest:
            raise HttpProblem(500, "the file of this snapshot is damaged; freeze the rows under another run id")
        return frozen.path

    def _older(self, before: Callable[[str, str], float]) -> list[tuple[int, str, str, int]]:
        table, spaces = tables.snapshots, tables.spaces
        query = sa.select(table, spaces.c.namespace).join(spaces, spaces.c.key == table.c.space)
        with self._engine.connect() as connection, connection.begin():
            return [
                (row.space, row.deployment, row.run, _size(self._folder / row.file))
                for row in connection.execute(query)
                if row.time < before(row.namespace, row.deployment)
            ]

    def _delete_strays(self) -> None:
        with self._engine.connect() as connection, connection.begin():
            known = set(connection.scalars(sa.select(tables.snapshots.c.file)))
        for path in self._folder.glob("*.parquet"):
            if path.name not in known:
                path.unlink(missing_ok=True)
        for path in self._folder.glob(".freezing-*"):
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one moment throughout, without keeping its rows in memory."""
        options: dict[str, Any] = {"stream_results": True, "yield_per": _CHUNK}
        if not is_sqlite(self._engine):
            options["isolation_level"] = "REPEATABLE READ"
        with self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection


@dataclass(frozen=True)
class _Forget:
    """Snapshots whose time is over; their files go with the next sweep."""

    which: Sequence[tuple[int, str, str, int]]
    rows = 1

    def run(self, transaction: Transaction) -> None:
        table = tables.snapshots
        for space, deployment, run_id, size in self.which:
            add_usage(transaction.connection, space, -size)
            transaction.connection.execute(
                table.delete().where(table.c.space == space, table.c.deployment == deployment, table.c.run == run_id)
            )


def _write(
    connection: sa.Connection, servers: list[Known], chances: Propensities, choice: Choice, path: Path
) -> tuple[int, int]:
    """Twice through the rows: the first time to learn the types of the features."""
    by_key = {known.key: known for known in servers}
    numbers = all(known.served.task is Task.REGRESSION for known in servers)
    schema = _schema(connection, by_key, choice, pl.Float64() if numbers else pl.String())
    rows = labelled = 0
    chunks: list[Path] = []
    for chunk in _chunks(connection, by_key, choice):
        frame = _frame(chunk, by_key, chances, schema)
        rows += frame.height
        labelled += frame.height - frame["outcome"].null_count()
        chunks.append(path.with_name(f"{len(chunks):06}.arrow"))
        frame.write_ipc(chunks[-1])
    if chunks:
        pl.scan_ipc(chunks).sink_parquet(path, compression="zstd")
    else:
        pl.DataFrame(schema=schema).write_parquet(path)
    return rows, labelled


def _chunks(connection: sa.Connection, servers: dict[int, Known], choice: Choice) -> Iterator[Sequence[Any]]:
    predictions, outcomes = tables.predictions, tables.outcomes
    query = (
        sa.select(
            predictions,
            outcomes.c.actual,
            outcomes.c.time.label("outcome_time"),
            outcomes.c.rank,
            outcomes.c.label_definition,
        )
        .join(outcomes, outcomes.c.prediction == predictions.c.key, isouter=not choice.labelled_only)
        .where(predictions.c.served.in_(sorted(servers)))
        .order_by(predictions.c.key)
    )
    if choice.start is not None:
        query = query.where(predictions.c.time >= choice.start)
    if choice.end is not None:
        query = query.where(predictions.c.time < choice.end)
    yield from connection.execute(query).partitions(_CHUNK)


def _schema(
    connection: sa.Connection, servers: dict[int, Known], choice: Choice, answer: pl.DataType
) -> dict[str, pl.DataType]:
    kinds: dict[str, set[type]] = defaultdict(set)
    for chunk in _chunks(connection, servers, choice):
        for row in chunk:
            for name, value in msgspec.json.decode(row.features).items():
                if value is not None:
                    kinds[name].add(type(value) if not _too_large(value) else float)
    return {
        "prediction_id": pl.String(),
        "time": _TIME,
        "model": pl.String(),
        "version": pl.String(),
        "revision": pl.String(),
        "slot": pl.String(),
        "variant": pl.String(),
        "propensity": pl.Float64(),
        **{FEATURE_PREFIX + name: _type(kinds[name]) for name in sorted(kinds)},
        "prediction": answer,
        "score": pl.Float64(),
        "outcome": answer,
        "outcome_time": _TIME,
        "source": pl.String(),
        "label_definition": pl.String(),
    }


def _type(kinds: set[type]) -> pl.DataType:
    if kinds == {bool}:
        return pl.Boolean()
    if kinds == {int}:
        return pl.Int64()
    return pl.Float64() if kinds <= {int, float} else pl.String()


def _too_large(value: Value) -> bool:
    return isinstance(value, int) and not -_INT64 <= value < _INT64


def _frame(
    chunk: Sequence[Any], servers: dict[int, Known], chances: Propensities, schema: dict[str, pl.DataType]
) -> pl.DataFrame:
    features = [msgspec.json.decode(row.features) for row in chunk]
    known = [servers[row.served] for row in chunk]
    numbers = schema["prediction"] == pl.Float64()
    columns: dict[str, list[Any]] = {
        "prediction_id": [row.id for row in chunk],
        "time": [round(row.time * 1e6) for row in chunk],
        **{name: [getattr(one.served, name) for one in known] for name in ("model", "version", "revision", "slot")},
        "variant": [row.variant for row in chunk],
        "propensity": [_propensity(row, one, chances) for row, one in zip(chunk, known, strict=True)],
        "prediction": [_answer(one, row.predicted, numbers) for one, row in zip(known, chunk, strict=True)],
        "score": [row.score for row in chunk],
        "outcome": [_answer(one, row.actual, numbers) for one, row in zip(known, chunk, strict=True)],
        "outcome_time": [None if row.outcome_time is None else round(row.outcome_time * 1e6) for row in chunk],
        "source": [None if row.rank is None else SOURCES[row.rank].value for row in chunk],
        "label_definition": [row.label_definition for row in chunk],
    }
    for column, kind in schema.items():
        if column.startswith(FEATURE_PREFIX):
            name = column.removeprefix(FEATURE_PREFIX)
            columns[column] = [_as(kind, row.get(name)) for row in features]
    return pl.DataFrame({column: pl.Series(column, columns[column], dtype=kind) for column, kind in schema.items()})


def _propensity(row: Any, known: Known, chances: Propensities) -> float | None:
    """What the sender says of it comes first: 1 is what it says of nothing."""
    return float(row.propensity) if row.propensity != 1 else chances.of(known.served.revision, row.time)


def _answer(known: Known, number: float | None, numbers: bool) -> str | float | None:
    if number is None:
        return None
    text = known.labels.text(number)
    return text if numbers else plain(text)


def _as(kind: pl.DataType, value: Value) -> Value:
    if value is None:
        return None
    if kind == pl.Float64():
        return float(value)
    return plain(value) if kind == pl.String() else value


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _sync(path: Path) -> None:
    """On disk, not only on its way there; of a folder, the names in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

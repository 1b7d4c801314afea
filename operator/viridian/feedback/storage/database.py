"""The database: SQLite in a file of its own, or PostgreSQL. Migrated under a lock before anything else uses it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import event

MIGRATIONS: Final = Path(__file__).with_name("migrations")
_LOCK_NUMBER: Final = 0x5649524944  # any number that others will hardly take for their own advisory locks
_SQLITE_FILE: Final = "feedback.db"
_IMMEDIATE: Final = "viridian_immediate"
_WRITING: Final = 2
"""Connections: the writer's, and one that asks whether the database answers."""
_READING: Final = 8
_MMAP_BYTES: Final = 8 << 30
_CACHE_KIB: Final = 65_536
"""Of all connections together."""
_BUSY_MILLISECONDS: Final = 30_000
_SCRUB_MILLISECONDS: Final = 250
_POSTGRESQL_DISK_FULL: Final = "53100"


class DatabaseUnusable(Exception):
    """The database cannot be opened or brought to this version; the message says why, without its password."""


@dataclass(frozen=True)
class Database:
    """Two ways to the same data, so that who writes never waits for the connections of who reads."""

    writing: sa.Engine
    """For the writer, and for the question whether the database answers."""
    reading: sa.Engine

    def bytes(self) -> int:
        """What it takes on its disk: of SQLite with the write-ahead log."""
        if is_sqlite(self.reading):
            file = Path(self.reading.url.database or "")
            return sum(path.stat().st_size for path in (file, _log_of(file)) if path.exists())
        with self.reading.connect() as connection:
            return int(connection.scalar(sa.select(sa.func.pg_database_size(sa.func.current_database()))) or 0)

    def dispose(self) -> None:
        """No connection is left."""
        self.writing.dispose()
        self.reading.dispose()


def open_database(url: str, data_directory: Path) -> Database:
    """The database, with all migrations done. An empty URL is a SQLite file in the data directory."""
    try:
        writing, reading = (
            _postgresql(url, connections) if url else _sqlite(data_directory / _SQLITE_FILE, connections)
            for connections in (_WRITING, _READING)
        )
        _migrate(writing, data_directory)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        # The text of a driver's error may hold the URL with its password.
        raise DatabaseUnusable(f"the database cannot be used: {type(error).__name__}; {_advice(url)}") from error
    return Database(writing, reading)


def immediate(connection: sa.Connection) -> sa.Connection:
    """The same connection, whose transactions are going to write: SQLite then locks when they begin, never later."""
    return connection.execution_options(**{_IMMEDIATE: True})


def is_sqlite(engine: sa.Engine) -> bool:
    return engine.dialect.name == "sqlite"


def is_full(error: BaseException) -> bool:
    """Whether there is no room on the disk."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if isinstance(cause, OSError):
        return cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(cause, "sqlstate", None) == _POSTGRESQL_DISK_FULL


def scrub(engine: sa.Engine) -> bool:
    """Nothing of what was deleted is left in SQLite's write-ahead log; False while somebody still reads what was.

    Not within a transaction. PostgreSQL sees to its own files.
    """
    if not is_sqlite(engine):
        return True
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        # Writers wait meanwhile.
        cursor.execute(f"PRAGMA busy_timeout = {_SCRUB_MILLISECONDS}")
        busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        return not busy
    finally:
        connection.close()


def _log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _sqlite(path: Path, connections: int) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", pool_size=connections, max_overflow=0)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # Transactions are ours to begin: the driver would begin them late, and not at all before reading.
        connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL",
            # With FULL, what was committed is on disk; with NORMAL the last commits could be lost with the power.
            "synchronous = FULL",
            # What is deleted is overwritten: nobody finds an erased row in the file.
            "secure_delete = ON",
            f"busy_timeout = {_BUSY_MILLISECONDS}",
            f"cache_size = -{_CACHE_KIB // (_WRITING + _READING)}",
            f"mmap_size = {_MMAP_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _teach_logarithm(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get(_IMMEDIATE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _teach_logarithm(connection: Any) -> None:
    """Not every build of SQLite has one; its own is quicker."""
    try:
        connection.execute("SELECT ln(1)")
    except sqlite3.OperationalError:
        connection.create_function("ln", 1, lambda number: None if number is None else math.log(number))


def _postgresql(url: str, connections: int) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise DatabaseUnusable("the database URL is none; " + _advice(url)) from None
    if parsed.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise DatabaseUnusable("the database URL must begin with postgresql://; leave it empty for SQLite")
    return sa.create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "options": "-c synchronous_commit=on -c timezone=UTC"},
    )


def _migrate(engine: sa.Engine, data_directory: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with _alone(engine, data_directory), immediate(engine.connect()) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextlib.contextmanager
def _alone(engine: sa.Engine, data_directory: Path) -> Iterator[None]:
    """Nobody else migrates meanwhile."""
    if is_sqlite(engine):
        with (data_directory / ".migrating").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    with engine.connect() as holder:
        holder.execute(sa.select(sa.func.pg_advisory_lock(_LOCK_NUMBER)))
        try:
            yield
        finally:
            holder.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK_NUMBER)))


def _advice(url: str) -> str:
    if url:
        return "write postgresql://user:password@host:5432/name, and check that the server answers"
    return "the data directory must exist and be writable"

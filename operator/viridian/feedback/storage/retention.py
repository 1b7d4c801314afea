"""Deleting what is too old, a little at a time, so that what comes in need not wait for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from viridian.feedback.storage import tables
from viridian.feedback.storage.usage import add_usage, size_of
from viridian.feedback.storage.writer import Transaction

STEP_ROWS: Final = 1_000


@dataclass(frozen=True)
class ExpirePredictions:
    """The oldest rows of one deployment, with their outcomes; run again until it deletes fewer than STEP_ROWS."""

    namespace: str
    deployment: str
    before: float
    rows = STEP_ROWS

    def run(self, transaction: Transaction) -> int:
        """How many were deleted."""
        connection, table = transaction.connection, tables.predictions
        space = transaction.catalog.space(connection, self.namespace)
        servers = sa.select(tables.served.c.key).where(
            tables.served.c.space == space, tables.served.c.deployment == self.deployment
        )
        old = connection.execute(
            sa.select(table.c.key, size_of(table.c.features).label("size"))
            .where(table.c.served.in_(servers), table.c.time < self.before)
            .limit(STEP_ROWS)
        ).all()
        keys = [row.key for row in old]
        if keys:
            add_usage(connection, space, -sum(row.size for row in old))
            connection.execute(tables.outcomes.delete().where(tables.outcomes.c.prediction.in_(keys)))
            connection.execute(table.delete().where(table.c.key.in_(keys)))
        return len(keys)


@dataclass(frozen=True)
class ExpireWaiting:
    """Outcomes whose prediction never came."""

    before: float
    rows = STEP_ROWS

    def run(self, transaction: Transaction) -> int:
        """How many were deleted."""
        table = tables.waiting
        connection = transaction.connection
        oldest = connection.execute(
            sa.select(table.c.space, table.c.id, size_of(table.c.outcome).label("size"))
            .where(table.c.received < self.before)
            .limit(STEP_ROWS)
        ).all()
        if oldest:
            _give_back(connection, oldest)
            one = table.delete().where(table.c.space == sa.bindparam("s"), table.c.id == sa.bindparam("i"))
            connection.execute(one, [{"s": row.space, "i": row.id} for row in oldest])
        return len(oldest)


@dataclass(frozen=True)
class ExpireProfiles:
    """Counts of long ago."""

    before: float
    rows = STEP_ROWS

    def run(self, transaction: Transaction) -> int:
        """How many were deleted."""
        table, connection = tables.profiles, transaction.connection
        columns = (table.c.key, table.c.space, size_of(table.c.profile).label("size"))
        oldest = connection.execute(sa.select(*columns).where(table.c.end < self.before).limit(STEP_ROWS)).all()
        if oldest:
            _give_back(connection, oldest)
            connection.execute(table.delete().where(table.c.key.in_([row.key for row in oldest])))
        return len(oldest)


@dataclass(frozen=True)
class ForgetServers:
    """Those of whom no row and no window is kept; run again until it forgets fewer than STEP_ROWS."""

    rows = STEP_ROWS

    def run(self, transaction: Transaction) -> int:
        """How many were forgotten."""
        table, connection = tables.served, transaction.connection
        columns = (table.c.key, table.c.space, size_of(table.c.document).label("size"))
        unused = (
            ~sa.exists().where(tables.predictions.c.served == table.c.key),
            ~sa.exists().where(tables.profiles.c.served == table.c.key),
        )
        gone = connection.execute(sa.select(*columns).where(*unused).limit(STEP_ROWS)).all()
        if gone:
            _give_back(connection, gone)
            connection.execute(table.delete().where(table.c.key.in_([row.key for row in gone])))
            transaction.catalog.forget()
        return len(gone)


def _give_back(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> None:
    """These rows go: their namespaces have so many bytes less."""
    sizes: Counter[int] = Counter()
    for row in rows:
        sizes[row.space] += row.size
    for space, size in sizes.items():
        add_usage(connection, space, -size)

"""Deleting what is too old, a little at a time, so that what comes in need not wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from viridian.feedback import tables
from viridian.feedback.writer import Transaction

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
        keys = list(
            connection.scalars(
                sa.select(table.c.key).where(table.c.served.in_(servers), table.c.time < self.before).limit(STEP_ROWS)
            )
        )
        if keys:
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
            sa.select(table.c.space, table.c.id).where(table.c.received < self.before).limit(STEP_ROWS)
        ).all()
        if oldest:
            one = table.delete().where(table.c.space == sa.bindparam("s"), table.c.id == sa.bindparam("i"))
            connection.execute(one, [{"s": space, "i": prediction_id} for space, prediction_id in oldest])
        return len(oldest)


@dataclass(frozen=True)
class ExpireProfiles:
    """Counts of long ago."""

    before: float
    rows = STEP_ROWS

    def run(self, transaction: Transaction) -> int:
        """How many were deleted."""
        table = tables.profiles
        oldest = sa.select(table.c.key).where(table.c.end < self.before).limit(STEP_ROWS)
        return int(transaction.connection.execute(table.delete().where(table.c.key.in_(oldest))).rowcount)

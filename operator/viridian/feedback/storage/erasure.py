"""Forgetting somebody, now and from now on."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from viridian.feedback.storage import tables
from viridian.feedback.storage.dialects import insert_new
from viridian.feedback.storage.usage import add_usage, size_of
from viridian.feedback.storage.writer import Transaction


@dataclass(frozen=True)
class EraseSubject:
    """All that is kept about one subject in one namespace; rows about it that come in later are not stored."""

    namespace: str
    subject: str
    """In the form in which it is stored: a keyed hash."""
    rows = 1

    def run(self, transaction: Transaction) -> int:
        """How many predictions were deleted."""
        connection = transaction.connection
        space = transaction.catalog.space(connection, self.namespace)
        remembered = {"space": space, "subject": self.subject, "time": transaction.now}
        connection.execute(insert_new(connection, tables.erased), remembered)
        table = tables.predictions
        about = sa.and_(table.c.space == space, table.c.subject == self.subject)
        keys = sa.select(table.c.key).where(about)
        size = connection.scalar(sa.select(sa.func.sum(size_of(table.c.features))).where(about))
        add_usage(connection, space, -int(size or 0))
        connection.execute(tables.outcomes.delete().where(tables.outcomes.c.prediction.in_(keys)))
        return int(connection.execute(table.delete().where(about)).rowcount)

"""Storing what servers have counted, each window of each process once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from viridian.api.feedback import ProfileWindow, Stored
from viridian.feedback import tables
from viridian.feedback.compact import packed, shape_of
from viridian.feedback.problems import Problem
from viridian.feedback.usage import ROW_BYTES, add_usage
from viridian.feedback.writer import Transaction


@dataclass(frozen=True)
class StoreProfile:
    """One window of one server."""

    window: ProfileWindow
    rows = 1

    def run(self, transaction: Transaction) -> Stored:
        """A window whose number has been seen from this process is a repetition."""
        connection, window = transaction.connection, self.window
        space = transaction.catalog.space(connection, window.served.namespace)
        if _seen(connection, space, window):
            return Stored(stored=0, duplicates=1)
        try:
            content = packed(window.profile)
        except OverflowError:
            raise Problem(400, "a count of the profile does not fit into 64 bits") from None
        row: dict[str, Any] = {
            "space": space,
            "served": transaction.catalog.served(connection, window.served).key,
            "pod": window.pod,
            "first": window.sequence,
            "sequence": window.sequence,
            "start": window.start,
            "end": window.end,
            "shape": transaction.catalog.shape(connection, space, shape_of(window.profile)),
            "profile": content,
        }
        connection.execute(tables.profiles.insert(), row)
        add_usage(connection, space, len(content) + ROW_BYTES)
        return Stored(stored=1)


def _seen(connection: sa.Connection, space: int, window: ProfileWindow) -> bool:
    """Rows of a pod do not overlap: the next one that ends at this number or later holds it, or none does."""
    table = tables.profiles
    holder = (
        sa.select(table.c.first)
        .where(table.c.space == space, table.c.pod == window.pod, table.c.sequence >= window.sequence)
        .order_by(table.c.sequence)
        .limit(1)
    )
    first = connection.scalar(holder)
    return first is not None and first <= window.sequence

"""How many bytes of the database each namespace takes, counted in the transactions that add and delete rows."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from viridian.feedback.storage import tables

ROW_BYTES: Final = 300
"""What a row takes beside its content: its other columns, its outcome and its places in the indices."""


def add_usage(connection: sa.Connection, space: int, size: int) -> None:
    """So many bytes more; fewer where it is negative."""
    if size:
        table = tables.spaces
        now = table.c.bytes + size
        # What was stored by an earlier version was estimated.
        bounded = sa.case((now < 0, 0), else_=now)
        connection.execute(table.update().where(table.c.key == space).values(bytes=bounded))


def size_of(content: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """Bytes of one row, in the words of the database."""
    return sa.func.length(content) + ROW_BYTES


def usage(engine: sa.Engine) -> dict[str, int]:
    """Bytes by namespace."""
    with engine.connect() as connection, connection.begin():
        query = sa.select(tables.spaces.c.namespace, tables.spaces.c.bytes)
        return {namespace: int(size) for namespace, size in connection.execute(query)}

"""What both databases can say, each in its own dialect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

_MANY: Final = 500


def insert_into(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that can say what happens where a row is there already."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def insert_new(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that leaves alone what is there already."""
    return insert_into(connection, table).on_conflict_do_nothing()


def parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """The distinct values, so many at a time as one statement may name."""
    distinct = list(dict.fromkeys(values))
    yield from (distinct[start : start + _MANY] for start in range(0, len(distinct), _MANY))


def rows_written(connection: sa.Connection, statement: Any, rows: Any) -> int:
    """Execute for each of the rows; how many were written in fact."""
    counted = statement.execution_options(preserve_rowcount=True)
    return int(connection.execute(counted, rows).rowcount)

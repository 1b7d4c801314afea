"""Many rows of numbers out of the database, as columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

import polars as pl
import sqlalchemy as sa

_ROWS: Final = 100_000


def frames(
    connection: sa.Connection, query: sa.Select[Any], schema: dict[str, type[pl.DataType]]
) -> Iterator[pl.DataFrame]:
    """The rows in parts. The query has numbers alone as parameters, and as columns those of the schema."""
    if connection.dialect.name == "postgresql":
        yield _copied(connection, query, schema)
        return
    literal = query.compile(connection, compile_kwargs={"literal_binds": True})
    # The driver itself: a million rows are a million objects less this way.
    cursor = cast(Any, connection.connection.driver_connection).execute(str(literal))
    while rows := cursor.fetchmany(_ROWS):
        columns = zip(*rows, strict=True)
        yield pl.DataFrame(
            [
                pl.Series(name, column, dtype=dtype)
                for (name, dtype), column in zip(schema.items(), columns, strict=True)
            ]
        )


def _copied(connection: sa.Connection, query: sa.Select[Any], schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """PostgreSQL writes its rows as text faster than anybody fetches them one by one."""
    literal = query.compile(connection, compile_kwargs={"literal_binds": True})
    driver = cast(Any, connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(f"COPY ({literal}) TO STDOUT (FORMAT csv)") as copy:
        text = b"".join(copy)
    if not text:
        return pl.DataFrame(schema=schema)
    return pl.read_csv(text, has_header=False, new_columns=list(schema), schema_overrides=list(schema.values()))

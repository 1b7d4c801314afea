"""Profiles of long ago: the windows of a pod in one hour become one, which counts where the first of them started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from viridian.api.profile import Profile
from viridian.feedback.storage import tables
from viridian.feedback.storage.packed_profiles import packed, shape, unpacked
from viridian.feedback.storage.usage import ROW_BYTES, add_usage, size_of
from viridian.feedback.storage.writer import Transaction
from viridian.judgement.merging import merge_profiles

HOUR: Final = 3600.0


@dataclass(frozen=True)
class Row:
    """A stored window, or several that were merged before."""

    key: int
    pod: str
    shape: int
    first: int
    sequence: int
    start: float
    end: float


@dataclass(frozen=True)
class RowGroup:
    """Rows that become one. They follow each other, so that a window that is sent again is still recognized."""

    rows: tuple[Row, ...]

    def goes_on_with(self, row: Row) -> bool:
        """Whether the row can be merged into the same one."""
        last = self.rows[-1]
        same = last.pod == row.pod and last.shape == row.shape and last.start // HOUR == row.start // HOUR
        return same and row.first == last.sequence + 1


def runs(rows: Iterable[Row]) -> Iterator[RowGroup]:
    """Those of the rows, sorted by pod and sequence, that become fewer."""
    run: RowGroup | None = None
    for row in rows:
        if run is not None and run.goes_on_with(row):
            run = RowGroup((*run.rows, row))
            continue
        if run is not None and len(run.rows) > 1:
            yield run
        run = RowGroup((row,))
    if run is not None and len(run.rows) > 1:
        yield run


@dataclass(frozen=True)
class MergeProfiles:
    """Write the merged one into the place of the last, and delete the others."""

    merged: RowGroup
    content: bytes

    @property
    def rows(self) -> int:
        return len(self.merged.rows)

    def run(self, transaction: Transaction) -> int:
        """How many rows fewer there are."""
        connection, table = transaction.connection, tables.profiles
        *others, last = self.merged.rows
        all_of_them = table.c.key.in_([row.key for row in self.merged.rows])
        sizes = sa.select(table.c.space, sa.func.sum(size_of(table.c.profile)).label("size"))
        for space, size in connection.execute(sizes.where(all_of_them).group_by(table.c.space)):
            add_usage(connection, space, len(self.content) + ROW_BYTES - int(size))
        gone = table.c.key.in_([row.key for row in others])
        deleted = int(connection.execute(table.delete().where(gone)).rowcount)
        one = {
            "first": self.merged.rows[0].first,
            "start": min(row.start for row in self.merged.rows),
            "end": max(row.end for row in self.merged.rows),
            "profile": self.content,
        }
        connection.execute(table.update().where(table.c.key == last.key).values(one))
        return deleted


def servers_between(engine: sa.Engine, since: float, until: float) -> list[int]:
    """Keys of those that have profiles in that time."""
    table = tables.profiles
    query = sa.select(table.c.served).where(table.c.start >= since, table.c.start < until).distinct()
    with engine.connect() as connection, connection.begin():
        return list(connection.scalars(query))


def mergeable(engine: sa.Engine, served: int, since: float, until: float) -> list[RowGroup]:
    """What can be merged of the windows of one server that started in that time."""
    table = tables.profiles
    columns = (table.c.key, table.c.pod, table.c.shape, table.c.first, table.c.sequence, table.c.start, table.c.end)
    query = (
        sa.select(*columns)
        .where(table.c.served == served, table.c.start >= since, table.c.start < until)
        .order_by(table.c.pod, table.c.sequence)
    )
    with engine.connect() as connection, connection.begin():
        return list(runs(Row(*row) for row in connection.execute(query)))


def merged(engine: sa.Engine, run: RowGroup) -> MergeProfiles:
    """What is to be written; nobody but the sweeper changes rows so old."""
    table = tables.profiles
    contents = sa.select(table.c.profile).where(table.c.key.in_([row.key for row in run.rows])).order_by(table.c.key)
    with engine.connect() as connection, connection.begin():
        document = connection.scalars(
            sa.select(tables.shapes.c.document).where(tables.shapes.c.key == run.rows[0].shape)
        ).one()
        known = shape(document)
        together: Profile | None = None
        for content in connection.scalars(contents):
            one = unpacked(known, content)
            together = merge_profiles([one] if together is None else [together, one])
    assert together is not None  # noqa: S101 - a run has rows
    return MergeProfiles(run, packed(together))

"""Which share of the requests the revisions of a deployment had from when on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from viridian.api.feedback import TrafficSplit
from viridian.feedback.storage import tables
from viridian.feedback.storage.catalog import space_of
from viridian.feedback.storage.dialects import insert_new
from viridian.feedback.storage.writer import Transaction


@dataclass(frozen=True)
class LogSplits:
    """Those that are new are added; what is there already stays."""

    namespace: str
    deployment: str
    splits: Sequence[TrafficSplit]

    @property
    def rows(self) -> int:
        return max(1, len(self.splits))

    def run(self, transaction: Transaction) -> None:
        connection = transaction.connection
        space = transaction.catalog.space(connection, self.namespace)
        rows = [
            {
                "space": space,
                "deployment": self.deployment,
                "time": split.time,
                "champion": split.champion,
                "challenger": split.challenger,
                "share": split.share,
            }
            for split in self.splits
        ]
        if rows:
            connection.execute(insert_new(connection, tables.splits), rows)


class Propensities:
    """With which chance a revision answered at a time, by the splits of a deployment, the oldest first."""

    def __init__(self, splits: Sequence[TrafficSplit]) -> None:
        self._splits = splits
        self._times = [split.time for split in splits]

    def of(self, revision: str, time: float) -> float | None:
        """The chance; 1 before the first split, and None where the split gave the revision nothing."""
        place = bisect_right(self._times, time)
        if not place:
            return 1.0
        split = self._splits[place - 1]
        shares = {split.challenger: split.share, split.champion: 1 - split.share}
        return shares.get(revision) or None


def propensities_of(connection: sa.Connection, namespace: str, deployment: str) -> Propensities:
    """Those of all that is known of a deployment."""
    table = tables.splits
    here = (table.c.space == space_of(connection, namespace), table.c.deployment == deployment)
    columns = (table.c.time, table.c.champion, table.c.challenger, table.c.share)
    found = connection.execute(sa.select(*columns).where(*here).order_by(table.c.time))
    return Propensities(
        [
            TrafficSplit(time=row.time, champion=row.champion, challenger=row.challenger, share=row.share)
            for row in found
        ]
    )

"""Storing what turned out to be true. Of several outcomes of one prediction one counts, in whatever order they come:
that of the highest source, and of those the latest; of two with the same time, the one that came later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from viridian.api.feedback import Source, Stored
from viridian.feedback.storage import tables
from viridian.feedback.storage.dialects import insert_into, parts, rows_written
from viridian.feedback.storage.label_numbers import InvalidRow, OutcomeValue
from viridian.feedback.storage.usage import ROW_BYTES, add_usage, size_of
from viridian.feedback.storage.writer import Transaction

RANKS: Final = {Source.EVENT: 0, Source.USER: 1, Source.HUMAN: 2}
SOURCES: Final = {rank: source for source, rank in RANKS.items()}


@dataclass(frozen=True, slots=True)
class OutcomeInput:
    """One outcome that was understood."""

    row: int
    """Its place in what was sent."""
    prediction_id: str
    outcome: OutcomeValue
    time: float | None
    rank: int
    label_definition: str = ""


@dataclass(frozen=True)
class StoreOutcomes:
    """Outcomes of predictions in one namespace, with what could not be understood of the same upload."""

    namespace: str
    outcomes: Sequence[OutcomeInput]
    refused: tuple[dict[str, Any], ...] = ()
    deployment: str = ""
    """Where given, only its predictions are meant, and those that are here."""

    @property
    def rows(self) -> int:
        return max(1, len(self.outcomes))

    def run(self, transaction: Transaction) -> Stored:
        """Those whose prediction is here are joined with it; the others wait."""
        connection = transaction.connection
        space = transaction.catalog.space(connection, self.namespace)
        predictions = _predictions(connection, space, [outcome.prediction_id for outcome in self.outcomes])
        refused = list(self.refused)
        joined: list[dict[str, Any]] = []
        early: list[dict[str, Any]] = []
        for outcome in self.outcomes:
            found = predictions.get(outcome.prediction_id)
            if self.deployment and not self._meant(transaction, found):
                refused.append({"row": outcome.row, "problem": "no prediction of this deployment has this id"})
                continue
            if found is None:
                early.append(_waiting_row(outcome, space, transaction.now))
                continue
            key, served = found
            try:
                number = transaction.catalog.by_key(connection, served).labels.number(outcome.outcome)
            except InvalidRow as problem:
                refused.append({"row": outcome.row, "problem": str(problem)})
                continue
            joined.append(_outcome_row(outcome, key, number, transaction.now))
        stored = _replace_lesser(connection, tables.outcomes, joined)
        before = _waiting_size(connection, space, early)
        waiting = _replace_lesser(connection, tables.waiting, early)
        add_usage(connection, space, _waiting_size(connection, space, early) - before)
        return Stored(
            stored=stored + waiting,
            duplicates=len(joined) + len(early) - stored - waiting,
            waiting=waiting,
            refused=sorted(refused, key=lambda row: int(row["row"])),
        )

    def _meant(self, transaction: Transaction, found: tuple[int, int] | None) -> bool:
        if found is None:
            return False
        _, served = found
        return transaction.catalog.by_key(transaction.connection, served).served.deployment == self.deployment


def join_waiting(transaction: Transaction, space: int, ids: Sequence[str]) -> int:
    """Join what has waited for these predictions; how many of them no model could have meant."""
    connection = transaction.connection
    waiting, predictions = tables.waiting, tables.predictions
    if not connection.scalar(sa.select(sa.exists().where(waiting.c.space == space))):
        return 0
    rows: list[dict[str, Any]] = []
    unfit = 0
    for some in parts(ids):
        found = connection.execute(
            sa.select(waiting, predictions.c.key, predictions.c.served)
            .join(predictions, sa.and_(predictions.c.space == waiting.c.space, predictions.c.id == waiting.c.id))
            .where(waiting.c.space == space, waiting.c.id.in_(some))
        ).all()
        for row in found:
            outcome = OutcomeInput(
                0, row.id, msgspec.json.decode(row.outcome), row.time, row.rank, row.label_definition
            )
            try:
                number = transaction.catalog.by_key(connection, row.served).labels.number(outcome.outcome)
            except InvalidRow:
                unfit += 1
                continue
            rows.append(_outcome_row(outcome, row.key, number, transaction.now))
        if found:
            here = [row.id for row in found]
            add_usage(connection, space, -sum(len(row.outcome) + ROW_BYTES for row in found))
            connection.execute(waiting.delete().where(waiting.c.space == space, waiting.c.id.in_(here)))
    _replace_lesser(connection, tables.outcomes, rows)
    return unfit


def _waiting_size(connection: sa.Connection, space: int, rows: Sequence[Mapping[str, Any]]) -> int:
    """Bytes of those that wait under these ids."""
    table = tables.waiting
    size = sa.func.sum(size_of(table.c.outcome))
    return sum(
        int(connection.scalar(sa.select(size).where(table.c.space == space, table.c.id.in_(some))) or 0)
        for some in parts([row["id"] for row in rows])
    )


def with_human_source(outcome: OutcomeInput) -> OutcomeInput:
    """The same, with a person as its source."""
    return replace(outcome, rank=RANKS[Source.HUMAN])


def _predictions(connection: sa.Connection, space: int, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Key and server of those that are here, by id."""
    table = tables.predictions
    return {
        row.id: (row.key, row.served)
        for some in parts(ids)
        for row in connection.execute(
            sa.select(table.c.id, table.c.key, table.c.served).where(table.c.space == space, table.c.id.in_(some))
        )
    }


def _outcome_row(outcome: OutcomeInput, key: int, number: float, now: float) -> dict[str, Any]:
    return {
        "prediction": key,
        "actual": number,
        "time": now if outcome.time is None else outcome.time,
        "rank": outcome.rank,
        "label_definition": outcome.label_definition,
    }


def _waiting_row(outcome: OutcomeInput, space: int, now: float) -> dict[str, Any]:
    return {
        "space": space,
        "id": outcome.prediction_id,
        "outcome": msgspec.json.encode(outcome.outcome),
        "time": now if outcome.time is None else outcome.time,
        "rank": outcome.rank,
        "label_definition": outcome.label_definition,
        "received": now,
    }


def _replace_lesser(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    """Each row takes the place of one that counts less; how many did, or were the first."""
    if not rows:
        return 0
    insert = insert_into(connection, table)
    new = insert.excluded
    outcome_column = [table.c.actual] if table is tables.outcomes else [table.c.outcome]
    content = [*outcome_column, table.c.time, table.c.rank, table.c.label_definition]
    statement = insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={column.name: new[column.name] for column in content},
        where=sa.and_(
            sa.tuple_(new.rank, new.time) >= sa.tuple_(table.c.rank, table.c.time),
            sa.or_(*(new[column.name] != column for column in content)),
        ),
    )
    return rows_written(connection, statement, rows)

"""Storing what servers have answered: each row once, without what may not be kept, joined with what waits for it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from viridian.api.feedback import SCORE_ROUNDING, Block, Prediction, PredictionBatch, Stored, Unstored
from viridian.api.profile import MAX_FEATURES
from viridian.feedback.identifiers import MAX_TEXT, is_id, is_text
from viridian.feedback.ingest.outcomes import join_waiting
from viridian.feedback.ingest.plausible_times import TIMES, is_plausible_time
from viridian.feedback.ingest.stored_rows import Filter
from viridian.feedback.problems import HttpProblem
from viridian.feedback.storage import tables
from viridian.feedback.storage.catalog import Known
from viridian.feedback.storage.dialects import insert_new, parts, rows_written
from viridian.feedback.storage.label_numbers import InvalidRow
from viridian.feedback.storage.usage import ROW_BYTES, add_usage
from viridian.feedback.storage.writer import Transaction

SAMPLING_KEY_BITS: Final = 62
MAX_ROWS: Final = 50_000
MAX_STORED: Final = 64 << 20
"""Bytes of a batch as it is stored, where each row names its features; in a block they are named once."""
_LONGEST_NUMBER: Final = 25
_NUMBER_BYTES: Final = 8
_Row = dict[str, Any]


class _RefusedRow(Exception):
    """One row is not stored; the sentence does not repeat anything of it."""

    def __init__(self, reason: Unstored, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


def check_amount(batch: PredictionBatch) -> None:
    """Nothing, or a problem: the batch holds more than is written at once."""
    if _rows(batch) > MAX_ROWS:
        raise HttpProblem(413, f"a batch has at most {MAX_ROWS} rows; send it in parts")
    if sum(map(_stored_bytes, batch.blocks)) > MAX_STORED:
        raise HttpProblem(413, f"the rows of a batch take at most {MAX_STORED} bytes to store; send it in parts")


def _rows(batch: PredictionBatch) -> int:
    return len(batch.rows) + sum(len(block.ids) for block in batch.blocks)


def _stored_bytes(block: Block) -> int:
    """Names and numbers, at most; other values take as much as they did in the body."""
    names = sum(len(name.encode()) + len('"":,') for name in block.columns)
    return len(block.ids) * names + len(block.numbers) // _NUMBER_BYTES * _LONGEST_NUMBER


@dataclass(frozen=True)
class Received:
    """What became of a batch."""

    stored: Stored
    erased: int = 0
    unfit: int = 0
    """Outcomes that had waited for these rows and are none that the model knows."""


@dataclass(frozen=True)
class StorePredictions:
    """One batch of one server."""

    batch: PredictionBatch
    filter: Filter

    @property
    def rows(self) -> int:
        return max(1, _rows(self.batch))

    def run(self, transaction: Transaction) -> Received:
        """Refused rows do not keep the others from being stored."""
        connection = transaction.connection
        known = transaction.catalog.served(connection, self.batch.served)
        space = transaction.catalog.space(connection, self.batch.served.namespace)
        rows: list[_Row] = []
        refused: list[dict[str, Any]] = []
        blocks = (block.rows() for block in self.batch.blocks)
        for number, prediction in enumerate(itertools.chain(self.batch.rows, *blocks)):
            try:
                rows.append(self._row(prediction, known, space, transaction.now))
            except _RefusedRow as problem:
                refused.append({"row": number, "problem": str(problem), "reason": problem.reason.value})
        welcome = _without_the_erased(connection, space, rows)
        inserted = _insert(connection, welcome)
        add_usage(connection, space, _size(welcome, inserted))
        unfit = join_waiting(transaction, space, [row["id"] for row in welcome])
        stored = Stored(stored=inserted, duplicates=len(rows) - inserted - (len(rows) - len(welcome)), refused=refused)
        return Received(stored, erased=len(rows) - len(welcome), unfit=unfit)

    def _row(self, prediction: Prediction, known: Known, space: int, now: float) -> _Row:
        _check(prediction, now)
        try:
            predicted = known.labels.number(prediction.prediction)
        except InvalidRow as problem:
            raise _RefusedRow(Unstored.PREDICTION, str(problem)) from None
        return {
            "space": space,
            "id": prediction.id,
            "served": known.key,
            "time": prediction.time,
            "predicted": predicted,
            "score": _probability(prediction.score),
            "lot": lot(prediction.id),
            "variant": prediction.variant,
            "propensity": prediction.propensity,
            "subject": self.filter.pseudonym(prediction.subject) if prediction.subject else None,
            "features": msgspec.json.encode(self.filter.features(prediction.features)),
        }


def _check(prediction: Prediction, now: float) -> None:
    """Nothing, or why it cannot be stored."""
    if not is_id(prediction.id):
        raise _RefusedRow(Unstored.ID, "an id has letters, digits, '.', '_' and '-', and at most 64 of them")
    if len(prediction.features) > MAX_FEATURES:
        raise _RefusedRow(Unstored.FEATURES, f"a row has at most {MAX_FEATURES} features")
    if not is_text(prediction.variant):
        raise _RefusedRow(
            Unstored.VARIANT, f"the name of a variant has at most {MAX_TEXT} characters, none of them NUL"
        )
    if not is_plausible_time(prediction.time, now):
        raise _RefusedRow(Unstored.TIME, TIMES)


def _probability(score: float | None) -> float | None:
    """The score without what rounding may have added."""
    if score is None:
        return None
    if not -SCORE_ROUNDING <= score <= 1 + SCORE_ROUNDING:
        raise _RefusedRow(Unstored.SCORE, "a score is a probability: 0 to 1")
    return min(1.0, max(0.0, score))


def lot(prediction_id: str) -> int:
    """A number that the id alone decides, evenly spread over [0, 2**LOT_BITS): samples are drawn by it."""
    digest = hashlib.blake2b(prediction_id.encode(), digest_size=8, person=b"review").digest()
    return int.from_bytes(digest) >> (64 - SAMPLING_KEY_BITS)


def _insert(connection: sa.Connection, rows: list[_Row]) -> int:
    if not rows:
        return 0
    return rows_written(connection, insert_new(connection, tables.predictions), rows)


def _size(rows: list[_Row], inserted: int) -> int:
    """Bytes of those that were new: where not all were, so many of ordinary length."""
    return sum(len(row["features"]) + ROW_BYTES for row in rows) * inserted // max(1, len(rows))


def _without_the_erased(connection: sa.Connection, space: int, rows: list[_Row]) -> list[_Row]:
    subjects = sorted({row["subject"] for row in rows if row["subject"]})
    erased = erased_among(connection, space, subjects)
    return [row for row in rows if row["subject"] not in erased] if erased else rows


def erased_among(connection: sa.Connection, space: int, subjects: Sequence[str]) -> set[str]:
    """Those of the subjects that must not be stored any more."""
    table = tables.erased
    return {
        subject
        for some in parts(subjects)
        for (subject,) in connection.execute(
            sa.select(table.c.subject).where(table.c.space == space, table.c.subject.in_(some))
        )
    }

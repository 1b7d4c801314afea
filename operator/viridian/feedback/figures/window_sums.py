"""Predictions and their outcomes, counted: the sums of `viridian.api.performance` for each server and window.

The database joins and counts. Each row falls into a cell, one number that says server, window, labels and bin of the
score: SQLite groups by one number twice as fast as by five columns. Both halves of the time are counted beside each
other, since neither database puts one such question on several cores; what they found is then added up.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from viridian.api.performance import (
    LEAST_SCORE,
    MAX_CLASSES,
    MIDDLE_SCORE_BIN,
    SCORE_BINS,
    SCORE_BINS_PER_LOG_ODD,
    Classified,
    Performance,
    Regressed,
)
from viridian.api.profile import Task
from viridian.feedback.figures.spans import MAX_WINDOWS, Spans
from viridian.feedback.storage import tables
from viridian.feedback.storage.catalog import Known

Place = tuple[int, int]
"""Key of a server, number of a window."""

_WINDOWS: Final = MAX_WINDOWS + 1
_NO_SCORE: Final = SCORE_BINS
_BINS: Final = SCORE_BINS + 1
"""One more for no score."""
_LABELS: Final = MAX_CLASSES + 1
_NO_LABEL: Final = MAX_CLASSES
_GREATEST: Final = 1e70
_LEAST_PROBABILITY: Final = 2.0**-52
"""Scores of exactly 0 and 1 count as this far from them in the logarithmic loss, as in scikit-learn."""

_P: Final = tables.predictions.c
_O: Final = tables.outcomes.c
_Expression = sa.ColumnElement[Any]


def performances(
    engine: sa.Engine, servers: Sequence[Known], spans: Spans, label: str = ""
) -> dict[Place, Performance]:
    """Those places that have predictions. Takes two connections.

    `label`: outcomes under another definition of the label do not count; empty: all count.
    """
    found: dict[Place, Performance] = {}
    for task in Task:
        same = {known.key: known for known in servers if known.served.task is task}
        if not same:
            continue
        for place, cells in _cells(engine, task, same, spans, label).items():
            if task is Task.REGRESSION:
                found[place] = _regressed(cells)
            else:
                found[place] = _classified(cells, task, same[place[0]].served.classes)
    return found


@dataclass(frozen=True)
class _Cell:
    """Rows that are counted together."""

    predicted: int
    actual: int
    bin: int
    rows: int
    sums: Mapping[str, float]
    """What is summed for the task, by name."""


def _cells(
    engine: sa.Engine, task: Task, servers: Mapping[int, Known], spans: Spans, label: str
) -> dict[Place, list[_Cell]]:
    counted: dict[int, list[Any]] = defaultdict(list)
    with ThreadPoolExecutor(len(_halves(spans))) as threads:
        for half in threads.map(partial(_counted, engine, task, sorted(servers), spans, label), _halves(spans)):
            for row in half:
                counted[row.cell].append(row._mapping)
    found: dict[Place, list[_Cell]] = defaultdict(list)
    for cell, rows in counted.items():
        rest, bin_ = divmod(cell, _BINS)
        rest, actual = divmod(rest, _LABELS)
        rest, predicted = divmod(rest, _LABELS)
        # A sum of nothing is null.
        sums = {name: math.fsum(row[name] or 0.0 for row in rows) for name in rows[0] if name not in ("cell", "rows")}
        found[divmod(rest, _WINDOWS)].append(_Cell(predicted, actual, bin_, sum(row["rows"] for row in rows), sums))
    return found


def _halves(spans: Spans) -> Sequence[tuple[float, float]]:
    middle = (spans.start + spans.end) / 2
    return (spans.start, middle), (middle, spans.end)


def _counted(
    engine: sa.Engine, task: Task, servers: Sequence[int], spans: Spans, label: str, during: tuple[float, float]
) -> Sequence[sa.Row[Any]]:
    """For each cell with predictions in this half: the cell, how many `rows`, and what is summed for the task."""
    with engine.connect() as connection, connection.begin():
        return connection.execute(_query(connection, task, servers, spans, label, during)).all()


def _query(
    connection: sa.Connection, task: Task, servers: Sequence[int], spans: Spans, label: str, during: tuple[float, float]
) -> sa.Select[Any]:
    start, end = during
    joined = _O.prediction == _P.key
    if label:
        joined = sa.and_(joined, _O.label_definition == label)
    window = _whole(connection, (_P.time - spans.start) / spans.seconds)
    place = _P.served * _WINDOWS + window
    if task is Task.REGRESSION:
        cell, sums = place * _LABELS * _LABELS * _BINS, _regression_sums()
    else:
        labels = _whole(connection, _P.predicted) * _LABELS + sa.func.coalesce(_whole(connection, _O.actual), _NO_LABEL)
        score = _score_bin(connection) if task is Task.BINARY else 0
        cell = (place * _LABELS * _LABELS + labels) * _BINS + score
        sums = _score_sums() if task is Task.BINARY else []
    return (
        sa.select(cell.label("cell"), sa.func.count().label("rows"), *sums)
        .select_from(tables.predictions)
        .outerjoin(tables.outcomes, joined)
        .where(_P.served.in_(servers), _P.time >= start, _P.time < end)
        .group_by("cell")
    )


def _score_bin(connection: sa.Connection) -> _Expression:
    """`viridian.api.performance.score_bin` in the words of the database."""
    odds = SCORE_BINS_PER_LOG_ODD * sa.func.ln(_P.score / (1 - _P.score)) + (MIDDLE_SCORE_BIN + 0.5)
    return sa.case(
        (_P.score.is_(None), _NO_SCORE),
        (_P.score < LEAST_SCORE, 0),
        (_P.score > 1 - LEAST_SCORE, SCORE_BINS - 1),
        else_=_whole(connection, odds),
    )


def _whole(connection: sa.Connection, number: _Expression) -> _Expression:
    """The number without its fraction, which SQLite's cast cuts off and PostgreSQL's would round."""
    return sa.cast(number if connection.dialect.name == "sqlite" else sa.func.trunc(number), sa.BigInteger)


def _score_sums() -> list[_Expression]:
    right = sa.case((_O.actual == 1, _P.score), else_=1 - _P.score)
    likely = sa.case((right < _LEAST_PROBABILITY, _LEAST_PROBABILITY), else_=right)
    error = _bounded(_P.score - _O.actual)
    return [
        sa.func.sum(-sa.func.ln(likely)).label("log_loss"),
        sa.func.sum(error * error).label("squared_error"),
    ]


def _regression_sums() -> list[_Expression]:
    outcome = _bounded(_O.actual)
    error = _bounded(_bounded(_P.predicted) - outcome)
    summed = {
        "error": error,
        "absolute_error": sa.func.abs(error),
        "squared_error": error * error,
        "fourth_power_error": error * error * error * error,
        "outcome": outcome,
        "squared_outcome": outcome * outcome,
    }
    return [
        sa.func.count(_O.actual).label("labelled"),
        *(sa.func.sum(expression).label(name) for name, expression in summed.items()),
    ]


def _bounded(number: _Expression) -> _Expression:
    """The number, if its fourth power is one as well. Otherwise a sum would be infinite, which JSON cannot say and
    PostgreSQL refuses, as it does a power that is too small: one such row would take the figures from all others."""
    return sa.case(
        (number > _GREATEST, _GREATEST),
        (number < -_GREATEST, -_GREATEST),
        (sa.func.abs(number) < 1 / _GREATEST, 0.0),
        else_=number,
    )


def _regressed(cells: list[_Cell]) -> Performance:
    (cell,) = cells
    sums = dict(cell.sums)
    labelled = int(sums.pop("labelled"))
    joined = Regressed(rows=labelled, **sums) if labelled else None
    return Performance(predicted=cell.rows, labelled=labelled, joined=joined)


def _classified(cells: list[_Cell], task: Task, classes: tuple[str, ...]) -> Performance:
    predicted = sum(cell.rows for cell in cells)
    cells = [cell for cell in cells if cell.actual != _NO_LABEL]
    labelled = sum(cell.rows for cell in cells)
    if not labelled:
        return Performance(predicted=predicted, labelled=0)
    confusion = [[0] * len(classes) for _ in classes]
    for cell in cells:
        confusion[cell.actual][cell.predicted] += cell.rows
    joined = Classified(classes=classes, confusion=tuple(map(tuple, confusion)))
    if task is Task.BINARY:
        joined = _scored(joined, [cell for cell in cells if cell.bin != _NO_SCORE])
    return Performance(predicted=predicted, labelled=labelled, joined=joined)


def _scored(joined: Classified, cells: list[_Cell]) -> Classified:
    """With the rows that carry a score, by its bins."""
    counts: tuple[list[int], list[int]] = ([0] * SCORE_BINS, [0] * SCORE_BINS)
    for cell in cells:
        counts[cell.actual][cell.bin] += cell.rows
    negatives, positives = counts
    return Classified(
        classes=joined.classes,
        confusion=joined.confusion,
        score_positives=tuple(positives),
        score_negatives=tuple(negatives),
        log_loss=math.fsum(cell.sums["log_loss"] for cell in cells),
        squared_error=math.fsum(cell.sums["squared_error"] for cell in cells),
    )

"""Predictions and their outcomes, counted: the sums of `viridian.api.performance` for each server and window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from viridian.api.performance import SCORE_BINS, Classified, Performance, Regressed
from viridian.api.profile import Task
from viridian.feedback import tables
from viridian.feedback.catalog import Known
from viridian.feedback.frames import frames
from viridian.feedback.spans import Spans

Place = tuple[int, int]
"""Key of a server, number of a window."""

_SCHEMA: Final[dict[str, type[pl.DataType]]] = {
    "served": pl.Int64,
    "time": pl.Float64,
    "predicted": pl.Float64,
    "score": pl.Float64,
    "actual": pl.Float64,
}
_LEAST_PROBABILITY: Final = 1e-15
"""Scores of exactly 0 and 1 count as this far from them in the logarithmic loss, as scikit-learn does by default."""


def performances(connection: sa.Connection, servers: Sequence[Known], spans: Spans) -> dict[Place, Performance]:
    """Those places that have predictions."""
    found: dict[Place, Performance] = {}
    for task in Task:
        same = {known.key: known for known in servers if known.served.task is task}
        if same:
            found |= _of_one_task(connection, task, same, spans)
    return found


def _of_one_task(
    connection: sa.Connection, task: Task, servers: Mapping[int, Known], spans: Spans
) -> dict[Place, Performance]:
    predictions, outcomes = tables.predictions, tables.outcomes
    query = (
        sa.select(
            predictions.c.served, predictions.c.time, predictions.c.predicted, predictions.c.score, outcomes.c.actual
        )
        .outerjoin(outcomes, outcomes.c.prediction == predictions.c.key)
        .where(
            predictions.c.served.in_(sorted(servers)),
            predictions.c.time >= spans.start,
            predictions.c.time < spans.end,
        )
    )
    summed = [_summed(frame, task, spans) for frame in frames(connection, query, _SCHEMA)]
    if not summed:
        return {}
    keys = [name for name in summed[0].columns if name in _KEYS]
    total = pl.concat(summed).group_by(keys).agg(pl.all().sum())
    return {
        (int(served), int(window)): _performance(part.to_dicts(), task, servers[int(served)])
        for (served, window), part in total.group_by("served", "window")
    }


_KEYS: Final = ("served", "window", "predicted", "actual", "bin")


def _summed(frame: pl.DataFrame, task: Task, spans: Spans) -> pl.DataFrame:
    window = ((pl.col("time") - spans.start) / spans.seconds).floor().cast(pl.Int64).alias("window")
    frame = frame.with_columns(window)
    if task is Task.REGRESSION:
        return frame.group_by("served", "window").agg(*_regression_sums())
    bins = (pl.col("score") * SCORE_BINS).floor().clip(0, SCORE_BINS - 1).cast(pl.Int16).alias("bin")
    # What is not labelled is only counted, so its labels and scores need not tell rows apart.
    labelled = pl.col("actual").is_not_null()
    frame = frame.with_columns(
        pl.when(labelled).then(pl.col("predicted")).alias("predicted"), pl.when(labelled).then(bins).alias("bin")
    )
    return frame.group_by("served", "window", "predicted", "actual", "bin").agg(*_classification_sums())


def _classification_sums() -> list[pl.Expr]:
    score = pl.col("score").clip(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    positive = pl.col("actual")
    loss = -(positive * score.log() + (1 - positive) * (1 - score).log())
    return [
        pl.len().cast(pl.Int64).alias("rows"),
        loss.sum().alias("log_loss"),
        ((pl.col("score") - positive) ** 2).sum().alias("squared_error"),
    ]


def _regression_sums() -> list[pl.Expr]:
    error = pl.col("predicted") - pl.col("actual")
    return [
        pl.len().cast(pl.Int64).alias("rows"),
        pl.col("actual").count().cast(pl.Int64).alias("labelled"),
        error.sum().alias("error"),
        error.abs().sum().alias("absolute_error"),
        (error**2).sum().alias("squared_error"),
        (error**4).sum().alias("fourth_power_error"),
        pl.col("actual").sum().alias("outcome"),
        (pl.col("actual") ** 2).sum().alias("squared_outcome"),
    ]


def _performance(cells: list[dict[str, Any]], task: Task, known: Known) -> Performance:
    predicted = sum(cell["rows"] for cell in cells)
    if task is Task.REGRESSION:
        (cell,) = cells
        labelled = cell.pop("labelled")
        sums = {name: cell[name] for name in Regressed.__struct_fields__ if name != "rows"}
        return Performance(
            predicted=predicted, labelled=labelled, joined=Regressed(rows=labelled, **sums) if labelled else None
        )
    cells = [cell for cell in cells if cell["actual"] is not None]
    labelled = sum(cell["rows"] for cell in cells)
    joined = _classified(cells, task, known.served.classes) if labelled else None
    return Performance(predicted=predicted, labelled=labelled, joined=joined)


def _classified(cells: list[dict[str, Any]], task: Task, classes: tuple[str, ...]) -> Classified:
    confusion = [[0] * len(classes) for _ in classes]
    scored: tuple[list[int], list[int]] = ([0] * SCORE_BINS, [0] * SCORE_BINS)
    for cell in cells:
        confusion[int(cell["actual"])][int(cell["predicted"])] += cell["rows"]
        if task is Task.BINARY and cell["bin"] is not None:
            scored[int(cell["actual"])][cell["bin"]] += cell["rows"]
    negatives, positives = (tuple(counts) for counts in scored)
    binary = task is Task.BINARY
    return Classified(
        classes=classes,
        confusion=tuple(map(tuple, confusion)),
        score_positives=positives if binary else (),
        score_negatives=negatives if binary else (),
        log_loss=sum(cell["log_loss"] for cell in cells) if binary else 0.0,
        squared_error=sum(cell["squared_error"] for cell in cells) if binary else 0.0,
    )

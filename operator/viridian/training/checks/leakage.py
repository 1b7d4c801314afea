"""Columns that give the label away: the area under the ROC curve of each column by itself, on a sample of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from viridian.api.data_checks import ColumnType, LeakageCheck
from viridian.training.checks.checked_table import COLUMNS_AT_A_TIME, CheckedTable
from viridian.training.checks.findings import DataFinding

MAX_SAMPLE: Final = 20_000
"""At an AUC of 0.98 its standard error is about 0.001 with that many rows and one positive in ten."""


def leakage(check: LeakageCheck, table: CheckedTable, rows: int) -> Iterator[DataFinding]:
    """The columns that order the labels better than the bound."""
    every = max(1, -(-rows // MAX_SAMPLE))
    labels = sampled(table, {check.label: table.as_text(check.label)}, every)[check.label]
    values = labels.drop_nulls().unique().sort()
    if len(values) != 2:
        yield DataFinding("leakage", check.label, f"the label has {len(values)} values in the sample, two are needed")
        return
    positive = (labels == values[1]).to_numpy()
    known = labels.is_not_null().to_numpy()
    names = [
        name for name in table.types if name not in (check.label, *check.except_columns) and _is_ordered(table, name)
    ]
    found = []
    for start in range(0, len(names), COLUMNS_AT_A_TIME):
        batch = {name: _numbers(table, name) for name in names[start : start + COLUMNS_AT_A_TIME]}
        frame = sampled(table, batch, every)
        aucs = {name: alone(frame[name].to_numpy(), positive, known) for name in batch}
        found += [(name, auc) for name, auc in aucs.items() if auc > check.max_auc]
    for name, auc in found:
        detail = f"by itself it orders the label with an AUC of {auc:.3f}, at most {check.max_auc:g} is allowed"
        yield DataFinding("leakage", name, detail)


def sampled(table: CheckedTable, columns: dict[str, pl.Expr], every: int) -> pl.DataFrame:
    """Evenly spaced rows: the same file gives the same ones."""
    chosen = [values.alias(name) for name, values in columns.items()]
    return table.lazy.select(chosen).gather_every(every).collect(engine="streaming")


def _is_ordered(table: CheckedTable, name: str) -> bool:
    """Numbers and flags; a text file shows which columns those are by its values."""
    found = table.types[name]
    return table.text_only or found.is_numeric() or found == pl.Boolean


def _numbers(table: CheckedTable, name: str) -> pl.Expr:
    if table.types[name] == pl.Boolean:
        return pl.col(name).cast(pl.Float64)
    return table.parsed(name, ColumnType.NUMBER)


def alone(values: NDArray[np.float64], positive: NDArray[np.bool_], known: NDArray[np.bool_]) -> float:
    """The area under the ROC curve of a column as a score, in the better direction; 0.5 where it cannot be computed.

    The Mann-Whitney statistic with mid-ranks for ties (Hanley and McNeil 1982, Radiology 143:29-36). A gap ranks below
    all values: that a value is missing may give the label away too.
    """
    chosen = np.where(np.isnan(values), -np.inf, values)[known]
    labels = positive[known]
    ones, zeros = int(labels.sum()), int((~labels).sum())
    if not ones or not zeros:
        return 0.5
    ranks = pl.Series(chosen).rank("average").to_numpy()
    area = (float(ranks[labels].sum()) - ones * (ones + 1) / 2) / (ones * zeros)
    return max(area, 1 - area)

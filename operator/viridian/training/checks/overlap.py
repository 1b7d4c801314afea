"""Rows of the holdout that are in the data: a model that was trained on them is judged too well."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from viridian.api.data_checks import OverlapCheck
from viridian.training.checks.checked_table import CheckedTable
from viridian.training.checks.findings import DataFinding, allowed, listed, share


def overlap(check: OverlapCheck, table: CheckedTable, holdout: CheckedTable) -> Iterator[DataFinding]:
    """Rows are the same where all columns are, compared as text: files of different types may hold the same rows."""
    names = check.columns or tuple(name for name in holdout.types if name in table.types)
    missing = tuple(name for name in names if name not in table.types or name not in holdout.types)
    if missing or not names:
        detail = f"the data and the holdout do not both have {listed(missing)}" if missing else "no column is in both"
        yield DataFinding("overlap", "", detail)
        return
    held = _rows(holdout, names).collect(engine="streaming")
    seen = held.lazy().unique().join(_rows(table, names), on="row", how="semi").collect(engine="streaming")
    both = held.join(seen, on="row", how="semi").height
    if both > check.max_share * held.height:
        detail = f"{share(both, held.height)} of the holdout are in the data, {allowed(check.max_share)}"
        yield DataFinding("overlap", listed(names), detail)


def _rows(table: CheckedTable, names: tuple[str, ...]) -> pl.LazyFrame:
    """One hash of 64 bits a row: the columns themselves would not fit into memory."""
    values = pl.struct(table.as_text(name).alias(name) for name in names)
    return table.lazy.select(values.hash(seed=1).alias("row"))

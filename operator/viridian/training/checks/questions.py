"""What each check asks of the rows: figures that one pass over the columns computes, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from viridian.api import durations
from viridian.api.data_checks import (
    CategoriesCheck,
    ColumnType,
    FreshnessCheck,
    LabelRateCheck,
    NullsCheck,
    RangeCheck,
    RowCountCheck,
    SchemaCheck,
    UniqueCheck,
)
from viridian.training.checks.checked_table import CheckedTable, is_of, name_of
from viridian.training.checks.findings import DataFinding, allowed, listed, share

Figures = Mapping[str, Any]
_FUTURE: Final = timedelta(days=1)
"""How far ahead the newest row may be: clocks and time zones differ, but not by more."""


@dataclass(frozen=True, slots=True)
class RowsQuestion:
    """Some figures about a few columns, and the findings that follow from them and from the number of rows."""

    columns: tuple[str, ...]
    figures: Mapping[str, pl.Expr]
    findings: Callable[[Figures, int], Iterator[DataFinding]]


def schema_findings(check: SchemaCheck, table: CheckedTable) -> Iterator[DataFinding]:
    """What the columns' names and types alone show. A text file has no types: its values are asked for them."""
    for column in check.columns:
        found = table.types.get(column.name)
        if found is None:
            yield DataFinding("schema", column.name, "there is no such column")
        elif column.type is not None and not table.text_only and not is_of(found, column.type):
            yield DataFinding("schema", column.name, f"it is {name_of(found)}, not {column.type}")
    extra = tuple(sorted(table.types.keys() - {column.name for column in check.columns}))
    if check.exact and extra:
        yield DataFinding("schema", "", f"it has columns that are not in the schema: {listed(extra)}")


def schema_questions(check: SchemaCheck, table: CheckedTable) -> Iterator[RowsQuestion]:
    """Whether the values of a text file are of the types that the schema names."""
    for column in check.columns if table.text_only else ():
        if column.name in table.types and column.type not in (None, ColumnType.TEXT):
            yield unparsed(table, column.name, column.type)


def unparsed(table: CheckedTable, column: str, kind: ColumnType) -> RowsQuestion:
    """How many values of a text file are not of a type."""
    wrong = (table.present(column).is_not_null() & table.parsed(column, kind).is_null()).sum()

    def findings(figures: Figures, rows: int) -> Iterator[DataFinding]:
        if figures["wrong"]:
            yield DataFinding("schema", column, f"{share(figures['wrong'], rows)} are not {kind}")

    return RowsQuestion((column,), {"wrong": wrong}, findings)


def row_count(check: RowCountCheck) -> RowsQuestion:
    def findings(_figures: Figures, rows: int) -> Iterator[DataFinding]:
        if check.min is not None and rows < check.min:
            yield DataFinding("rowCount", "", f"there are {rows:,} rows, at least {check.min:,} are asked for")
        if check.max is not None and rows > check.max:
            yield DataFinding("rowCount", "", f"there are {rows:,} rows, at most {check.max:,} are allowed")

    return RowsQuestion((), {}, findings)


def nulls(check: NullsCheck, table: CheckedTable) -> Iterator[RowsQuestion]:
    yield from (
        _bounded("nulls", name, table.present(name).is_null(), check.max_share, "have no value")
        for name in check.columns
    )


def in_range(check: RangeCheck, table: CheckedTable) -> RowsQuestion:
    values = table.parsed(check.column, ColumnType.NUMBER)
    outside = pl.lit(value=False)
    if check.min is not None:
        outside = outside | (values < check.min)
    if check.max is not None:
        outside = outside | (values > check.max)
    bounds = [f"{word} {bound:g}" for word, bound in (("below", check.min), ("above", check.max)) if bound is not None]
    return _bounded("range", check.column, outside, check.max_share, f"are {' or '.join(bounds)}")


def categories(check: CategoriesCheck, table: CheckedTable) -> RowsQuestion:
    unknown = ~table.as_text(check.column).is_in(check.values)
    return _bounded("categories", check.column, unknown, check.max_share, "have a value that is not in the list")


def unique(check: UniqueCheck, table: CheckedTable) -> RowsQuestion:
    """By a hash of 64 bits where there are several columns: two of a million rows share one once in 37 million times.

    The chance is n²/2⁶⁵ (the birthday bound).
    """
    names = check.columns
    key = table.present(names[0]) if len(names) == 1 else pl.struct(map(table.present, names)).hash(seed=1)
    shown = listed(names)

    def findings(figures: Figures, rows: int) -> Iterator[DataFinding]:
        repeated = rows - figures["different"]
        if repeated > check.max_share * rows:
            detail = f"{share(repeated, rows)} repeat another row, {allowed(check.max_share)}"
            yield DataFinding("unique", shown, detail)

    return RowsQuestion(names, {"different": key.n_unique()}, findings)


def freshness(check: FreshnessCheck, table: CheckedTable, now: datetime) -> RowsQuestion:
    newest = table.parsed(check.column, ColumnType.TIME).max()

    def findings(figures: Figures, _rows: int) -> Iterator[DataFinding]:
        if figures["newest"] is None:
            yield DataFinding("freshness", check.column, "no row has a time")
            return
        age = now.replace(tzinfo=None) - figures["newest"]
        if age > durations.parse(check.max_age):
            detail = f"the newest row is {_length(age)} old, at most {check.max_age} is allowed"
            yield DataFinding("freshness", check.column, detail)
        elif age < -_FUTURE:
            yield DataFinding("freshness", check.column, f"the newest row is {_length(-age)} in the future")

    return RowsQuestion((check.column,), {"newest": newest}, findings)


def label_rate(check: LabelRateCheck, table: CheckedTable) -> RowsQuestion:
    values = table.as_text(check.column)
    wanted = (check.value, "true") if table.types[check.column] == pl.Boolean and check.value == "1" else (check.value,)
    figures = {"labelled": values.is_not_null().sum(), "positive": values.is_in(wanted).sum()}

    def findings(figures: Figures, _rows: int) -> Iterator[DataFinding]:
        labelled, positive = figures["labelled"], figures["positive"]
        rate = positive / labelled if labelled else None
        if rate is None:
            yield DataFinding("labelRate", check.column, "no row has a label")
        elif check.min is not None and rate < check.min:
            detail = f"{share(positive, labelled)} have the value, at least {100 * check.min:.3g} % must"
            yield DataFinding("labelRate", check.column, detail)
        elif check.max is not None and rate > check.max:
            detail = f"{share(positive, labelled)} have the value, at most {100 * check.max:.3g} % may"
            yield DataFinding("labelRate", check.column, detail)

    return RowsQuestion((check.column,), figures, findings)


def _bounded(check: str, column: str, otherwise: pl.Expr, most: float, predicate: str) -> RowsQuestion:
    """A check on the share of rows for which something is otherwise."""

    def findings(figures: Figures, rows: int) -> Iterator[DataFinding]:
        if figures["otherwise"] > most * rows:
            detail = f"{share(figures['otherwise'], rows)} {predicate}, {allowed(most)}"
            yield DataFinding(check, column, detail)

    return RowsQuestion((column,), {"otherwise": otherwise.sum()}, findings)


def _length(span: timedelta) -> str:
    """Hours up to two days, then days."""
    hours = span.total_seconds() / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"

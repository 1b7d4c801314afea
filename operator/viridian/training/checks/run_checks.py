"""All checks of a stage: which passes over the rows they need, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import polars as pl

from viridian.api.data_checks import (
    CategoriesCheck,
    CheckKind,
    ColumnType,
    DataCheck,
    FreshnessCheck,
    LabelRateCheck,
    LeakageCheck,
    NullsCheck,
    OverlapCheck,
    RangeCheck,
    RowCountCheck,
    SchemaCheck,
    UniqueCheck,
    kind_of,
)
from viridian.training.checks import questions
from viridian.training.checks.checked_table import COLUMNS_AT_A_TIME, CheckedTable, UnreadableRows, WrongType
from viridian.training.checks.findings import DataFinding
from viridian.training.checks.leakage import leakage
from viridian.training.checks.overlap import overlap
from viridian.training.checks.questions import RowsQuestion

OpenTable = Callable[[str], CheckedTable]


def run_checks(
    checks: Sequence[DataCheck], table: CheckedTable, open_table: OpenTable, now: datetime
) -> list[DataFinding]:
    """What the checks find about the rows, in the order of the checks. UnreadableRows for a file that is broken."""
    kinds = [kind for check in checks if (kind := kind_of(check)) is not None]
    found = list(_by_columns(kinds, table))
    usable = [kind for kind in kinds if not _missing(kind, table)]
    asked: list[RowsQuestion] = []
    for kind in usable:
        try:
            asked += _questions(kind, table, now)
        except WrongType as error:
            found.append(DataFinding(_name(kind), getattr(kind, "column", ""), str(error)))
    try:
        rows = _count(table)
        found += _answers(asked, table, rows)
        for kind in usable:
            found += _studies(kind, table, open_table, rows)
    except pl.exceptions.PolarsError:
        raise UnreadableRows("the file is broken: its rows cannot be read to the end") from None
    return list(dict.fromkeys(found))


def _by_columns(kinds: Sequence[CheckKind], table: CheckedTable) -> Iterator[DataFinding]:
    """What the names and types of the columns show before any row is read; a column that is missing is named once."""
    named: set[str] = set()
    for kind in kinds:
        if isinstance(kind, SchemaCheck):
            findings = list(questions.schema_findings(kind, table))
            named |= {finding.column for finding in findings}
            yield from findings
    for kind in kinds:
        for column in _missing(kind, table):
            if column not in named:
                named.add(column)
                yield DataFinding("schema", column, f"there is no such column, and {_name(kind)} needs it")


def _missing(kind: CheckKind, table: CheckedTable) -> tuple[str, ...]:
    match kind:
        case NullsCheck() | UniqueCheck():
            needed = kind.columns
        case LeakageCheck():
            needed = (kind.label,)
        case RangeCheck() | CategoriesCheck() | FreshnessCheck() | LabelRateCheck():
            needed = (kind.column,)
        case _:
            needed = ()
    return tuple(column for column in needed if column not in table.types)


def _questions(kind: CheckKind, table: CheckedTable, now: datetime) -> Iterable[RowsQuestion]:
    match kind:
        case SchemaCheck():
            return questions.schema_questions(kind, table)
        case RowCountCheck():
            return (questions.row_count(kind),)
        case NullsCheck():
            return questions.nulls(kind, table)
        case RangeCheck():
            return (questions.in_range(kind, table), *_parsing(table, kind.column, ColumnType.NUMBER))
        case CategoriesCheck():
            return (questions.categories(kind, table),)
        case UniqueCheck():
            return (questions.unique(kind, table),)
        case FreshnessCheck():
            return (questions.freshness(kind, table, now), *_parsing(table, kind.column, ColumnType.TIME))
        case LabelRateCheck():
            return (questions.label_rate(kind, table),)
        case _:
            return ()


def _parsing(table: CheckedTable, column: str, kind: ColumnType) -> tuple[RowsQuestion, ...]:
    return (questions.unparsed(table, column, kind),) if table.text_only else ()


def _studies(kind: CheckKind, table: CheckedTable, open_table: OpenTable, rows: int) -> Iterator[DataFinding]:
    """Checks that need passes of their own."""
    if isinstance(kind, LeakageCheck):
        yield from leakage(kind, table, rows)
    elif isinstance(kind, OverlapCheck):
        yield from overlap(kind, table, open_table(kind.holdout))


def _count(table: CheckedTable) -> int:
    return int(table.lazy.select(pl.len()).collect(engine="streaming").item())


def _answers(asked: Sequence[RowsQuestion], table: CheckedTable, rows: int) -> Iterator[DataFinding]:
    """Every question answered. A text file is read once: to read a few of its columns is to read all of it."""
    figures: dict[int, dict[str, Any]] = {}
    for batch in _batches(asked, len(table.types) if table.text_only else COLUMNS_AT_A_TIME):
        figures |= _figures(batch, table)
    for place, question in enumerate(asked):
        yield from question.findings(figures[place], rows)


def _batches(asked: Sequence[RowsQuestion], most: int) -> Iterator[dict[int, RowsQuestion]]:
    """Questions by their places, those about the same columns together, and few columns at a time."""
    by_columns: dict[tuple[str, ...], dict[int, RowsQuestion]] = {}
    for place, question in enumerate(asked):
        by_columns.setdefault(question.columns, {})[place] = question
    batch: dict[int, RowsQuestion] = {}
    for columns, together in by_columns.items():
        if batch and len({name for one in batch.values() for name in one.columns} | set(columns)) > most:
            yield batch
            batch = {}
        batch |= together
    if batch:
        yield batch


def _figures(batch: Mapping[int, RowsQuestion], table: CheckedTable) -> dict[int, dict[str, Any]]:
    """The figures of each question, in one pass."""
    wanted = [
        figure.alias(f"{place}.{name}")
        for place, question in batch.items()
        for name, figure in question.figures.items()
    ]
    row = table.lazy.select(wanted).collect(engine="streaming").row(0, named=True) if wanted else {}
    return {place: {name: row[f"{place}.{name}"] for name in question.figures} for place, question in batch.items()}


def _name(kind: CheckKind) -> str:
    """As a policy writes it."""
    return _NAMES[type(kind)]


_NAMES: Final = {
    SchemaCheck: "schema",
    RowCountCheck: "rowCount",
    NullsCheck: "nulls",
    RangeCheck: "range",
    CategoriesCheck: "categories",
    UniqueCheck: "unique",
    FreshnessCheck: "freshness",
    LabelRateCheck: "labelRate",
    LeakageCheck: "leakage",
    OverlapCheck: "overlap",
}

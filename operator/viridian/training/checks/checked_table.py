"""The rows that are checked, as polars reads them lazily: Parquet with its types, CSV as text that is parsed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from viridian.api.data_checks import ColumnType

COLUMNS_AT_A_TIME: Final = 2
"""Columns of a Parquet file that one pass reads. More of them take more memory and no less time."""
_PARQUET_MAGIC: Final = b"PAR1"
_TRUE: Final = ("true", "True", "TRUE", "1")
_FALSE: Final = ("false", "False", "FALSE", "0")


class UnreadableRows(Exception):
    """The rows are no Parquet and no CSV file, or one that is broken. What the reader says of it may quote values."""


class WrongType(Exception):
    """A column does not hold what a check needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTable:
    """Rows, and what their columns are."""

    lazy: pl.LazyFrame = field(repr=False)
    types: Mapping[str, pl.DataType]
    text_only: bool = False
    """CSV: all columns are text, and each check parses what it needs."""

    def parsed(self, column: str, kind: ColumnType) -> pl.Expr:
        """The column's values as that type. In a text file, what cannot be parsed is null; elsewhere WrongType."""
        raw, found = pl.col(column), self.types[column]
        if self.text_only:
            return _PARSERS[kind](raw)
        if not is_of(found, kind):
            raise WrongType(f"it is {name_of(found)}, not {kind}")
        if kind is ColumnType.NUMBER:
            return raw.cast(pl.Float64).fill_nan(None)
        if kind is ColumnType.TIME:
            zoned = isinstance(found, pl.Datetime) and found.time_zone is not None
            utc = raw.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zoned else raw
            return utc.cast(pl.Datetime("us"))
        return raw

    def present(self, column: str) -> pl.Expr:
        """The column's values, null where there is none."""
        raw, found = pl.col(column), self.types[column]
        if found.is_float():
            return raw.fill_nan(None)
        return _stripped(raw) if self.text_only else raw

    def as_text(self, column: str) -> pl.Expr:
        """The values as a person writes them: 1 for the number 1.0."""
        found, values = self.types[column], self.present(column)
        if found.is_float():
            whole = values.cast(pl.Int64, strict=False)
            return pl.when(values == whole).then(whole.cast(pl.String)).otherwise(values.cast(pl.String))
        return values if found == pl.String else values.cast(pl.String)


def table_at(path: str) -> CheckedTable:
    """The rows of a file, of a folder of Parquet files, or of an address that polars reads by itself.

    UnreadableRows for what is neither, FileNotFoundError where there is nothing.
    """
    try:
        return _parquet(path) if _is_parquet(path) else _csv(path)
    except pl.exceptions.PolarsError:
        raise UnreadableRows(_WHAT_IS_READ) from None


_WHAT_IS_READ: Final = "they are no Parquet and no CSV file with a header, or the file is broken"


def _is_parquet(path: str) -> bool:
    if "://" in path:
        return not path.endswith((".csv", ".csv.gz"))
    local = Path(path)
    if local.is_dir():
        return True
    with local.open("rb") as file:
        return file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC


def _parquet(path: str) -> CheckedTable:
    source = f"{path.rstrip('/')}/**/*.parquet" if Path(path).is_dir() else path
    lazy = pl.scan_parquet(source, low_memory=True, glob=source is not path)
    return CheckedTable(lazy=lazy, types=dict(lazy.collect_schema()))


def _csv(path: str) -> CheckedTable:
    lazy = pl.scan_csv(path, infer_schema=False, low_memory=True, glob=False)
    types = dict(lazy.collect_schema())
    if not types:
        raise UnreadableRows(_WHAT_IS_READ)
    return CheckedTable(lazy=lazy, types=types, text_only=True)


def is_of(found: pl.DataType, kind: ColumnType) -> bool:
    """Whether a typed column is what a check or a schema asks for."""
    match kind:
        case ColumnType.NUMBER:
            return found.is_numeric()
        case ColumnType.INTEGER:
            return found.is_integer()
        case ColumnType.BOOLEAN:
            return found == pl.Boolean
        case ColumnType.TIME:
            return found in (pl.Date, pl.Datetime)
        case ColumnType.TEXT:
            return found in (pl.String, pl.Categorical, pl.Enum)


def name_of(found: pl.DataType) -> str:
    """The type as a policy writes it; as polars calls it where a policy has no word for it."""
    narrow = (ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.BOOLEAN, ColumnType.TIME, ColumnType.TEXT)
    return next((str(kind) for kind in narrow if is_of(found, kind)), str(found.base_type()))


def _stripped(raw: pl.Expr) -> pl.Expr:
    text = raw.str.strip_chars()
    return pl.when(text.str.len_bytes() > 0).then(text)


def _boolean(raw: pl.Expr) -> pl.Expr:
    text = _stripped(raw)
    return pl.when(text.is_in(_TRUE)).then(True).when(text.is_in(_FALSE)).then(False)


def _time(raw: pl.Expr) -> pl.Expr:
    """ISO 8601, with or without a time of day and a zone; without a zone it is UTC."""
    text = _stripped(raw).str.replace("T", " ", literal=True)
    moment, zone = text.str.slice(0, 19), text.str.slice(19).str.replace(r"^\.[0-9]+", "")
    local = moment.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    day = text.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
    minutes = zone.str.extract(r"^ ?[+-]([0-9]{2}):?[0-9]{2}$", 1).cast(pl.Int64) * 60 + zone.str.extract(
        r"^ ?[+-][0-9]{2}:?([0-9]{2})$", 1
    ).cast(pl.Int64)
    sign = pl.when(zone.str.contains("-", literal=True)).then(-1).otherwise(1)
    utc = zone.is_in(["", "Z", " UTC", "UTC"])
    shifted = local - pl.duration(minutes=minutes * sign)
    return pl.coalesce(pl.when(utc).then(local).when(minutes.is_not_null()).then(shifted), day)


_PARSERS: Final = {
    ColumnType.NUMBER: lambda raw: _stripped(raw).cast(pl.Float64, strict=False).fill_nan(None),
    ColumnType.INTEGER: lambda raw: _stripped(raw).cast(pl.Int64, strict=False),
    ColumnType.BOOLEAN: _boolean,
    ColumnType.TIME: _time,
    ColumnType.TEXT: _stripped,
}

"""The rows of one request, checked against the model's signature and ready for its runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from viridian.serving.bundle.signature import Column, ColumnKind, Matrix, Table
from viridian.serving.errors import BadInput, Rejection

EXACT: Final = float(2**53)
"""Up to here every whole number has its own float64."""
_RANGES: Final = {"INT8": 2.0**7, "INT16": 2.0**15, "INT32": 2.0**31}
STRICT: Final = {ColumnKind.FLOAT: float, ColumnKind.INTEGER: float, ColumnKind.BOOLEAN: bool, ColumnKind.STRING: str}
"""What a value of each kind is after JSON; whole numbers may be written 5.0."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Numbers alone are one float64 matrix in the order of the signature; anything else is a vector for each column.

    Null is NaN among numbers and None among strings and flags: flags are bool where the column is required, and objects
    like strings where it is optional.
    """

    rows: int
    matrix: NDArray[np.float64] | None = None
    columns: Mapping[str, NDArray[Any]] | None = None
    extras: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """What came with the rows and is no input of the model, such as whom they are about."""


def join_batches(batches: Sequence[Batch]) -> Batch:
    """The rows of several batches of one model, one below the other; what is no input of the model is left out."""
    rows = sum(batch.rows for batch in batches)
    if batches[0].matrix is not None:
        return Batch(rows, matrix=np.concatenate([batch.matrix for batch in batches if batch.matrix is not None]))
    columns = [batch.columns or {} for batch in batches]
    return Batch(rows, columns={name: np.concatenate([each[name] for each in columns]) for name in columns[0]})


def nulls(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where there is nothing: NaN among numbers, None among the rest."""
    if values.dtype == object:
        return np.fromiter((value is None for value in values), np.bool_, len(values))
    return np.asarray(np.isnan(values), np.bool_)


class TableReader:
    """Makes batches for a model with named columns; `extra` names columns that may come with them."""

    def __init__(self, table: Table, extra: Iterable[str] = ()) -> None:
        self.table = table
        self.extra = frozenset(extra) - {column.name for column in table.columns}
        self.names = tuple(column.name for column in table.columns)
        self._known = frozenset(self.names)
        self._optional = [not column.required for column in table.columns]
        self._required = [i for i, optional in enumerate(self._optional) if not optional]
        self._single = [i for i, column in enumerate(table.columns) if column.datatype == "FP32"]
        self._listed = [(i, column) for i, column in enumerate(table.columns) if column.known is not None]
        self._whole = [i for i, column in enumerate(table.columns) if column.kind is ColumnKind.INTEGER]

    @property
    def columns(self) -> int:
        """As many as a request may name."""
        return len(self.names) + len(self.extra)

    @cached_property
    def nullable(self) -> bool:
        """Some column may be null."""
        return any(self._optional)

    def check_names(self, given: Sequence[str], field: str) -> bool:
        """Each column is there once; only optional ones may be left out. Whether it is just these, all of them."""
        names = set(given)
        if len(names) != len(given):
            seen: set[str] = set()
            twice = next(name for name in given if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise BadInput(Rejection.WRONG_SHAPE, field, f"column {twice!r} is there twice")
        if names == self._known:
            return True
        for name in given:
            if name not in self._known and name not in self.extra:
                raise BadInput(
                    Rejection.UNKNOWN_COLUMN, name, f"the model has no column {name!r}; it has {listed(self.names)}"
                )
        for column, optional in zip(self.table.columns, self._optional, strict=True):
            if column.name not in names and not optional:
                raise BadInput(Rejection.MISSING_COLUMN, column.name, f"column {column.name!r} is missing")
        return False

    def from_columns(self, values: Mapping[str, Sequence[Any]], field: str) -> Batch:
        """From plain lists by name, whatever their types."""
        exact = self.check_names(list(values), field)
        rows = _same_length(values)
        typed = [
            typed_list(column, values[column.name], optional) if column.name in values else [None] * rows
            for column, optional in zip(self.table.columns, self._optional, strict=True)
        ]
        batch = self.from_typed(typed, rows)
        return batch if exact else self.with_extras(batch, values)

    def with_extras(self, batch: Batch, values: Mapping[str, Sequence[Any]]) -> Batch:
        """The batch with those of the values that are no input of the model."""
        extras = {name: values[name] for name in self.extra if name in values}
        for name, given in extras.items():
            for row, value in enumerate(given):
                if value is not None and not isinstance(value, (str, int, float)):
                    raise wrong_type(name, row, ColumnKind.STRING, spoken(value))
        return replace(batch, extras=extras) if extras else batch

    def from_typed(self, typed: Sequence[Sequence[Any]], rows: int) -> Batch:
        """From one list for each column of the signature, whose items have the right type already."""
        if self.table.numeric:
            return self.from_matrix(np.array(typed, dtype=np.float64).T)
        columns = {}
        for column, values in zip(self.table.columns, typed, strict=True):
            if column.kind.numeric:
                columns[column.name] = np.array(values, dtype=np.float64)
                self._check_whole(column, columns[column.name])
                if column.datatype == "FP32":
                    columns[column.name] = single(column.name, columns[column.name])
            else:
                flags = column.kind is ColumnKind.BOOLEAN and column.required
                columns[column.name] = np.array(values, dtype=bool if flags else object)
        for _, column in self._listed:
            check_known(column, columns[column.name])
        return Batch(rows, columns=columns)

    def from_matrix(self, matrix: NDArray[np.float64]) -> Batch:
        """From numbers in the order of the signature, with NaN for null."""
        if self.nullable and self._required:
            missing = np.argwhere(np.isnan(matrix[:, self._required]))
            if len(missing):
                row, place = missing[0]
                raise absent(self.names[self._required[place]], int(row))
        for index in self._whole:
            self._check_whole(self.table.columns[index], matrix[:, index])
        for place, column in self._listed:
            check_known(column, matrix[:, place])
        if self._single:
            matrix = matrix.copy()
            for index in self._single:
                matrix[:, index] = single(self.names[index], matrix[:, index])
        return Batch(len(matrix), matrix=matrix)

    @staticmethod
    def _check_whole(column: Column, values: NDArray[np.float64]) -> None:
        if column.kind is not ColumnKind.INTEGER:
            return
        broken = np.flatnonzero((values != np.floor(values)) & ~np.isnan(values))
        if len(broken):
            raise wrong_type(column.name, int(broken[0]), column.kind, "a fraction")
        check_range(column.name, column.datatype, values)


class MatrixReader:
    """Makes batches for a model that takes a matrix of unnamed numbers."""

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix

    @property
    def columns(self) -> int | None:
        """None where any number is taken."""
        return self.matrix.width

    def from_matrix(self, matrix: NDArray[np.float64]) -> Batch:
        """From rows of numbers."""
        width, datatype = self.matrix.width, self.matrix.datatype
        if width is not None and matrix.shape[1] != width:
            raise BadInput(
                Rejection.WRONG_SHAPE,
                self.matrix.name,
                f"each row needs {width} numbers, but these have {matrix.shape[1]}",
            )
        if datatype.startswith("INT"):
            broken = np.argwhere(matrix != np.floor(matrix))
            if len(broken):
                raise wrong_type(self.matrix.name, int(broken[0][0]), ColumnKind.INTEGER, "a fraction")
            check_range(self.matrix.name, datatype, matrix)
        return Batch(len(matrix), matrix=matrix)


Reader = TableReader | MatrixReader


def typed_list(column: Column, values: Sequence[Any], optional: bool) -> list[Any]:
    """The values, each of the column's type; numbers are never made from strings."""
    strict = STRICT[column.kind]
    try:
        return msgspec.convert(values, list[strict | None] if optional else list[strict])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise _mistyped(column, values, strict, optional) from error


def _mistyped(column: Column, values: Sequence[Any], strict: type, optional: bool) -> BadInput:
    """Which value it was: asked only when there is a wrong one."""
    for row, value in enumerate(values):
        if value is None and not optional:
            return absent(column.name, row)
        try:
            msgspec.convert(value, strict)
        except msgspec.ValidationError:
            if value is not None:
                return wrong_type(column.name, row, column.kind, spoken(value))
    return BadInput(Rejection.WRONG_TYPE, column.name, f"column {column.name!r} is no list of values")


def check_range(field: str, datatype: str, values: NDArray[np.float64]) -> None:
    """Whole numbers fit the type that the model was trained with, and stand exactly in a float64."""
    limit = _RANGES.get(datatype, EXACT)
    if len(values) and ((values > limit - 1) | (values < -limit)).any():
        raise BadInput(Rejection.OUT_OF_RANGE, field, f"{field!r} has a number that is too large for {datatype}")


def single(field: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded to the 32 bits that the model was trained with: 0.1 is the number that it knows as 0.1."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32).astype(np.float64)
    if np.isinf(rounded).any():
        raise BadInput(Rejection.OUT_OF_RANGE, field, f"{field!r} has a number that is too large for FP32")
    return rounded


def check_known(column: Column, values: NDArray[Any]) -> None:
    """Values are some of those that the model answers for, or null."""
    known = column.known or frozenset()
    for row, value in enumerate(values.tolist()):
        if value not in known and value is not None and value == value:
            raise BadInput(
                Rejection.UNKNOWN_VALUE,
                column.name,
                f"{column.name!r}, row {row}: a value that the model does not know; it answers only for those it knows",
            )


def wrong_type(name: str, row: int, kind: ColumnKind, got: str) -> BadInput:
    return BadInput(Rejection.WRONG_TYPE, name, f"{name!r}, row {row}: expected {kind.value}, got {got}")


def absent(name: str, row: int) -> BadInput:
    return BadInput(Rejection.MISSING_VALUE, name, f"{name!r}, row {row}: null, but this column must have a value")


def spoken(value: Any) -> str:
    """What kind of value it is, never the value."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    return {str: "a string", list: "a list", dict: "an object", type(None): "null"}.get(type(value), "something else")


def listed(names: Sequence[str], most: int = 10) -> str:
    """The names for a message, cut when there are many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more


def _same_length(values: Mapping[str, Sequence[Any]]) -> int:
    lengths = {name: len(column) for name, column in values.items()}
    rows = next(iter(lengths.values()), 0)
    for name, length in lengths.items():
        if length != rows:
            raise BadInput(
                Rejection.WRONG_SHAPE, name, f"column {name!r} has {length} values, but the first column has {rows}"
            )
    if rows == 0:
        raise BadInput(Rejection.WRONG_SHAPE, "", "there are no rows")
    return rows

"""Rows as the model server would get them: one vector for each column, typed as MLflow's signature says.

Numbers are float64 with NaN for a gap. Flags are bool, or objects with None where there are gaps. Text is objects with
None for a gap. A data frame brings names and types; a matrix has one type, and gets its names from the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

EXACT: Final = 2**53
"""Whole numbers on this side of it have a float64 each, in requests too."""
NUMBERS: Final = ("double", "float", "long", "integer")


@dataclass(frozen=True, slots=True)
class DatasetColumn:
    """One feature, in MLflow's words for its type: double, float, long, integer, boolean or string."""

    name: str
    type: str
    required: bool = True
    """False when the rows have gaps in it: then a request may have them too."""
    none: bool = False
    """Text whose gaps are None; elsewhere they are NaN, which some estimators distinguish."""
    known: tuple[Any, ...] | None = None
    """The only values that the estimator answers for; None where it answers for any."""

    @property
    def numeric(self) -> bool:
        return self.type in NUMBERS


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns in the order of training, and their values."""

    columns: tuple[DatasetColumn, ...]
    values: Mapping[str, NDArray[Any]]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def numeric(self) -> bool:
        return all(column.numeric for column in self.columns)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Rows by columns, of rows that are numbers and flags alone."""
        return np.column_stack([self.values[name].astype(np.float64) for name in self.names])

    def __len__(self) -> int:
        return len(next(iter(self.values.values()), ()))

    def take(self, chosen: NDArray[np.int64]) -> Rows:
        """The rows of these numbers, in this order."""
        return replace(self, values={name: vector[chosen] for name, vector in self.values.items()})

    def followed_by(self, others: Rows) -> Rows:
        """These rows and then the others, which have the same columns."""
        return replace(
            self, values={name: np.concatenate([vector, others.values[name]]) for name, vector in self.values.items()}
        )

    def as_in(self, others: Rows) -> Rows:
        """The same rows under columns that fit both: a number with a fraction or a gap in either has them in both."""
        theirs = {column.name: column for column in others.columns}
        if list(theirs) != self.names:
            raise ValueError(f"the two sets of rows have other columns: {_listed(self.names)} and {_listed(theirs)}")
        return replace(self, columns=tuple(_both(column, theirs[column.name]) for column in self.columns))


def rows_of(features: Any, names: Sequence[str] | None = None) -> Rows:
    """The rows of what scikit-learn takes as features: a data frame, or a matrix of numbers.

    The columns of a matrix are called by the names given, or else f0, f1, …
    """
    found = _of_frame(features) if isinstance(features, pd.DataFrame) else _of_matrix(np.asarray(features), names)
    values = {column.name: vector for column, vector in found}
    if len(values) != len(found):
        raise ValueError("two columns have the same name: give each its own")
    if not values:
        raise ValueError("the rows have no columns")
    return Rows(tuple(column for column, _ in found), values)


def _of_matrix(matrix: NDArray[Any], names: Sequence[str] | None) -> list[tuple[DatasetColumn, NDArray[Any]]]:
    if matrix.ndim != 2:
        raise ValueError(f"features must be rows by columns, not {matrix.ndim}-dimensional")
    given = [f"f{place}" for place in range(matrix.shape[1])] if names is None else [str(name) for name in names]
    if len(given) != matrix.shape[1]:
        raise ValueError(f"{len(given)} names for {matrix.shape[1]} columns")
    if matrix.dtype.kind not in "fiu":
        raise TypeError(f"a matrix of {matrix.dtype} has one type for all columns: fit on a pandas data frame")
    return [_native(name, matrix[:, place]) for place, name in enumerate(given)]


def _of_frame(frame: pd.DataFrame) -> list[tuple[DatasetColumn, NDArray[Any]]]:
    return [_of_series(str(name), frame.iloc[:, place]) for place, name in enumerate(frame.columns)]


def _of_series(name: str, series: pd.Series[Any]) -> tuple[DatasetColumn, NDArray[Any]]:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "fiub":
        return _native(name, series.to_numpy())
    objects = series.astype(object).to_numpy()
    gaps = np.asarray(pd.isna(objects), dtype=np.bool_)
    present = objects[~gaps].tolist()
    kinds = {type(value) for value in present}
    required = not gaps.any()
    if kinds <= {str}:
        none = bool(gaps.any()) and objects[gaps][0] is None
        return DatasetColumn(name, "string", required, none), _with_none(objects, gaps)
    if kinds <= {bool, np.bool_}:
        vector = _with_none(objects, gaps) if gaps.any() else objects.astype(np.bool_)
        return DatasetColumn(name, "boolean", required), vector
    if all(issubclass(kind, int | float | np.integer | np.floating) and kind is not bool for kind in kinds):
        _check_exact(name, [value for value in present if isinstance(value, int | np.integer)])
        whole = required and all(issubclass(kind, int | np.integer) for kind in kinds)
        return DatasetColumn(name, "long" if whole else "double", required), _with_nan(objects, gaps)
    held = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(
        f"column {name!r} holds {held}: what can be served are numbers, true and false, and text; "
        "make one of these of it, such as the number of days since a date"
    )


def _native(name: str, vector: NDArray[Any]) -> tuple[DatasetColumn, NDArray[Any]]:
    """From one of numpy's own types."""
    if vector.dtype.kind == "b":
        return DatasetColumn(name, "boolean"), vector
    if vector.dtype.kind in "iu" and len(vector):
        _check_exact(name, [int(vector.min()), int(vector.max())])
    numbers = vector.astype(np.float64)
    required = not np.isnan(numbers).any()
    if vector.dtype.kind == "f":
        return DatasetColumn(name, "float" if vector.dtype == np.float32 else "double", required), numbers
    return DatasetColumn(name, "long"), numbers


def _check_exact(name: str, whole: Sequence[Any]) -> None:
    """JSON's numbers, and those of nearly all programs that write it, have 53 bits: other ones would arrive changed."""
    if any(not -EXACT < int(value) < EXACT for value in whole):
        raise TypeError(
            f"column {name!r} holds whole numbers of more than 53 bits, and requests cannot hold these exactly: "
            "make text of them where they name something, and fractions (float64) where they measure something"
        )


def _with_none(objects: NDArray[Any], gaps: NDArray[np.bool_]) -> NDArray[Any]:
    filled = objects.copy()
    filled[gaps] = None
    return filled


def _with_nan(objects: NDArray[Any], gaps: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(gaps, np.nan, objects).astype(np.float64)


def _both(one: DatasetColumn, other: DatasetColumn) -> DatasetColumn:
    required = one.required and other.required
    if one.type != other.type and not (one.numeric and other.numeric):
        raise TypeError(f"column {one.name!r} is {one.type} in one set of rows and {other.type} in the other")
    kind = one.type if one.type == other.type and (required or one.type != "long") else "double"
    return DatasetColumn(one.name, kind, required, one.none or other.none)


def _listed(names: Any) -> str:
    return ", ".join(map(repr, list(names)[:5]))

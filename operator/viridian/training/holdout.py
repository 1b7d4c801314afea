"""The rows that challenger and champion are both judged on, and the digest that says which rows they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viridian.training.outcome import DataNotGoodEnough


@dataclass(frozen=True, slots=True)
class Column:
    """One feature, in MLflow's words for its type: double, float or long."""

    name: str
    type: str
    required: bool = True
    """False when the holdout has gaps in it: then a request may have them too."""


@dataclass(frozen=True, slots=True)
class Holdout:
    features: Any
    """As the user gave them, so that the model sees what it was fitted on."""
    matrix: NDArray[np.float64]
    """The same numbers, rows by columns."""
    target: NDArray[Any]
    columns: tuple[Column, ...]

    @property
    def digest(self) -> str:
        """`sha256:…` over the columns, the numbers and the target, in the order of the rows.

        A line of JSON with the columns' names and the shape, then the numbers as little-endian float64 by rows, then
        the target as JSON.
        """
        head = {"columns": [column.name for column in self.columns], "shape": list(self.matrix.shape)}
        state = hashlib.sha256(json.dumps(head).encode() + b"\n")
        state.update(np.ascontiguousarray(self.matrix, dtype="<f8").tobytes())
        state.update(json.dumps(self.target.tolist()).encode())
        return f"sha256:{state.hexdigest()}"

    def document(self) -> dict[str, Any]:
        """What `viridian/holdout.json` says about the rows, without the rows."""
        return {
            "digest": self.digest,
            "rows": len(self.target),
            "columns": [column.name for column in self.columns],
        }

    def named(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The numbers of these columns, in this order."""
        places = {column.name: place for place, column in enumerate(self.columns)}
        missing = [name for name in names if name not in places]
        if missing:
            raise ValueError(f"the holdout has no column {missing[0]!r}")
        return self.matrix[:, [places[name] for name in names]]


def holdout_of(features: Any, target: Any, names: Sequence[str] | None = None) -> Holdout:
    """The holdout from what scikit-learn takes: a data frame or a matrix, and one target for each row."""
    columns = columns_of(features, names)
    matrix = np.asarray(features, dtype=np.float64)
    truth = np.asarray(target).ravel()
    if matrix.ndim != 2 or len(matrix) != len(truth):
        raise ValueError(f"the holdout needs one target for each row: {matrix.shape} and {truth.shape} do not match")
    if len(truth) == 0:
        raise DataNotGoodEnough("the holdout has no rows")
    gaps = np.atleast_1d(np.isnan(matrix).any(axis=0))
    columns = tuple(replace(column, required=not gap) for column, gap in zip(columns, gaps, strict=True))
    return Holdout(features, matrix, truth, columns)


def columns_of(features: Any, names: Sequence[str] | None) -> tuple[Column, ...]:
    """Names and types from a data frame; from a matrix, its one type and the given names or f0, f1, …"""
    if hasattr(features, "columns"):
        return tuple(
            Column(str(name), type_of(str(name), np.dtype(kind)))
            for name, kind in zip(features.columns, features.dtypes, strict=True)
        )
    matrix = np.asarray(features)
    if matrix.ndim != 2:
        raise ValueError(f"the holdout's features must be rows by columns, not {matrix.ndim}-dimensional")
    given = [f"f{place}" for place in range(matrix.shape[1])] if names is None else [str(name) for name in names]
    if len(given) != matrix.shape[1]:
        raise ValueError(f"{len(given)} names for {matrix.shape[1]} columns")
    return tuple(Column(name, type_of(name, matrix.dtype)) for name in given)


def type_of(name: str, dtype: np.dtype[Any]) -> str:
    if dtype == np.float32:
        return "float"
    if dtype.kind == "f":
        return "double"
    if dtype.kind in "iu":
        return "long"
    raise TypeError(f"column {name!r} holds {dtype}: only numbers are served; encode it before the model, as numbers")

"""The rows that challenger and champion are both judged on, and the digest that says which rows they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viridian.training.rows import DatasetColumn, Rows, rows_of
from viridian.training.stage_exit import DataNotGoodEnough


@dataclass(frozen=True, slots=True)
class Holdout:
    features: Any
    """As the user gave them, so that the model sees what it was fitted on."""
    rows: Rows
    """The same, column by column."""
    target: NDArray[Any]

    @property
    def columns(self) -> tuple[DatasetColumn, ...]:
        return self.rows.columns

    @property
    def matrix(self) -> NDArray[np.float64]:
        return self.rows.matrix

    @property
    def digest(self) -> str:
        """`sha256:…` over the columns, the values and the target, in the order of the rows.

        A line of JSON with the columns' names and the shape, then the values, then the target as JSON. Where all
        columns are numbers, the values are little-endian float64 by rows. Otherwise the line names the types too, and
        the values come column by column: numbers as before, anything else as JSON.
        """
        rows = self.rows
        head: dict[str, Any] = {"columns": rows.names, "shape": [len(rows), len(rows.columns)]}
        if not rows.numeric:
            head["types"] = [column.type for column in rows.columns]
        state = hashlib.sha256(json.dumps(head).encode() + b"\n")
        if rows.numeric:
            state.update(np.ascontiguousarray(rows.matrix, dtype="<f8").tobytes())
        else:
            for column in rows.columns:
                state.update(_bytes(column, rows.values[column.name]))
        state.update(json.dumps(self.target.tolist()).encode())
        return f"sha256:{state.hexdigest()}"

    def document(self) -> dict[str, Any]:
        """What `viridian/holdout.json` says about the rows, without the rows."""
        return {"digest": self.digest, "rows": len(self.target), "columns": self.rows.names}


def _bytes(column: DatasetColumn, values: NDArray[Any]) -> bytes:
    return values.astype("<f8").tobytes() if column.numeric else json.dumps(values.tolist()).encode()


def holdout_of(features: Any, target: Any, names: Sequence[str] | None = None) -> Holdout:
    """The holdout from what scikit-learn takes: a data frame or a matrix, and one target for each row."""
    rows, truth = rows_of(features, names), np.asarray(target).ravel()
    if len(rows) != len(truth):
        raise ValueError(f"the holdout needs one target for each row: {len(rows)} rows and {len(truth)} targets")
    if len(truth) == 0:
        raise DataNotGoodEnough("the holdout has no rows")
    return Holdout(features, rows, truth)

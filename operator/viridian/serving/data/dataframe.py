"""A batch as the pandas table that an estimator was fitted on: for estimators that choose columns by name alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from viridian.serving.bundle.signature import Column, ColumnKind
from viridian.serving.data.batch import Batch, nulls

_NUMBERS: Final = {"FP32": np.float32, "INT32": np.int32, "INT64": np.int64}


def maker(columns: Sequence[Column], none: frozenset[str]) -> Callable[[Batch], pd.DataFrame]:
    """Makes tables with these columns; null is NaN but in the text columns of `none`, where it stays None."""

    def table(batch: Batch) -> pd.DataFrame:
        if batch.matrix is not None:
            vectors = dict(zip((column.name for column in columns), batch.matrix.T, strict=True))
        else:
            vectors = dict(batch.columns or {})
        return pd.DataFrame({column.name: _series(column, vectors[column.name], none) for column in columns})

    return table


def _series(column: Column, values: NDArray[Any], none: frozenset[str]) -> Any:
    if column.kind is ColumnKind.STRING:
        return pd.Series(values, dtype=object if column.name in none else "str")
    if column.kind is ColumnKind.BOOLEAN:
        missing = nulls(values) if values.dtype == object else None
        if missing is None:
            return values
        return np.where(missing, np.nan, values) if missing.any() else values.astype(np.bool_)
    if column.kind is ColumnKind.INTEGER and np.isnan(values).any():
        return values
    return values.astype(_NUMBERS.get(column.datatype, np.float64), copy=False)

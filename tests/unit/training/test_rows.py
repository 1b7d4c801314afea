"""Frames and matrices, column by column, as the model server would get them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from viridian.training.rows import DatasetColumn, rows_of

NA = pd.NA


@pytest.mark.parametrize(
    ("series", "column", "values"),
    [
        (pd.Series([1.5, 2.0]), DatasetColumn("x", "double"), [1.5, 2.0]),
        (pd.Series([1.5, np.nan]), DatasetColumn("x", "double", required=False), [1.5, None]),
        (pd.Series([1.5, 2.0], dtype="float32"), DatasetColumn("x", "float"), [1.5, 2.0]),
        (pd.Series([1, 2]), DatasetColumn("x", "long"), [1.0, 2.0]),
        (pd.Series([1, 2], dtype="uint8"), DatasetColumn("x", "long"), [1.0, 2.0]),
        (pd.Series([1, 2], dtype="Int64"), DatasetColumn("x", "long"), [1.0, 2.0]),
        (pd.Series([1, NA], dtype="Int64"), DatasetColumn("x", "double", required=False), [1.0, None]),
        (pd.Series([1, 2], dtype="category"), DatasetColumn("x", "long"), [1.0, 2.0]),
        (pd.Series([1, None], dtype="object"), DatasetColumn("x", "double", required=False), [1.0, None]),
        (pd.Series([True, False]), DatasetColumn("x", "boolean"), [True, False]),
        (pd.Series([True, NA], dtype="boolean"), DatasetColumn("x", "boolean", required=False), [True, None]),
        (pd.Series([True, False], dtype="object"), DatasetColumn("x", "boolean"), [True, False]),
        (pd.Series(["a", "b"]), DatasetColumn("x", "string"), ["a", "b"]),
        (pd.Series(["a", None]), DatasetColumn("x", "string", required=False), ["a", None]),
        (pd.Series(["a", None], dtype="object"), DatasetColumn("x", "string", required=False, none=True), ["a", None]),
        (pd.Series(["a", np.nan], dtype="object"), DatasetColumn("x", "string", required=False), ["a", None]),
        (pd.Series(["a", NA], dtype="string"), DatasetColumn("x", "string", required=False), ["a", None]),
        (pd.Series(["a", None], dtype="category"), DatasetColumn("x", "string", required=False), ["a", None]),
    ],
    ids=lambda value: f"{value.dtype} {value.tolist()}" if isinstance(value, pd.Series) else "",
)
def test_each_type_of_column(series: pd.Series[Any], column: DatasetColumn, values: list[Any]) -> None:
    rows = rows_of(pd.DataFrame({"x": series}))
    assert rows.columns == (column,)
    found = rows.values["x"]
    assert [None if value != value else value for value in found.tolist()] == values
    assert found.dtype == (np.float64 if column.numeric else np.bool_ if values == [True, False] else object)


@pytest.mark.parametrize(
    ("series", "held"),
    [
        (pd.Series(pd.to_datetime(["2026-01-01"])), "Timestamp"),
        (pd.Series([b"x"]), "bytes"),
        (pd.Series(["a", 1], dtype="object"), "int, str"),
        (pd.Series([[1, 2]]), "list"),
        (pd.Series([1 + 2j]), "complex"),
    ],
)
def test_what_cannot_be_served_is_named(series: pd.Series[Any], held: str) -> None:
    with pytest.raises(TypeError, match=f"column 'odd one' holds {held}: what can be served are numbers"):
        rows_of(pd.DataFrame({"odd one": series}))


def test_columns_of_a_matrix_are_numbered_or_named() -> None:
    matrix = np.array([[1.0, np.nan], [3.0, 4.0]])
    assert rows_of(matrix).columns == (DatasetColumn("f0", "double"), DatasetColumn("f1", "double", required=False))
    assert rows_of(matrix.astype("float32"), ["a", "b"]).columns[0] == DatasetColumn("a", "float")
    assert rows_of(matrix[:, :1].astype(int), ["a"]).columns == (DatasetColumn("a", "long"),)


@pytest.mark.parametrize("dtype", ["U3", "bool", "object"])
def test_a_matrix_of_anything_else_is_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match="fit on a pandas data frame"):
        rows_of(np.array([["1"]]).astype(dtype))


def test_what_has_no_columns_or_two_of_one_name() -> None:
    with pytest.raises(ValueError, match="have no columns"):
        rows_of(pd.DataFrame(index=[0]))
    with pytest.raises(ValueError, match="two columns have the same name"):
        rows_of(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_two_sets_of_rows_agree_on_columns_that_fit_both() -> None:
    learnt = rows_of(pd.DataFrame({"visits": [1.0, None], "city": ["a", None], "age": [1, 2]}))
    held = rows_of(pd.DataFrame({"visits": [1, 2], "city": ["a", "b"], "age": [3, 4]}))
    assert held.as_in(learnt).columns == (
        DatasetColumn("visits", "double", required=False),
        DatasetColumn("city", "string", required=False),
        DatasetColumn("age", "long"),
    )
    assert held.as_in(learnt).columns == learnt.as_in(held).columns


def test_two_sets_of_rows_that_do_not_fit() -> None:
    rows = rows_of(pd.DataFrame({"a": [1], "b": ["x"]}))
    with pytest.raises(ValueError, match="other columns: 'a', 'b' and 'b', 'a'"):
        rows.as_in(rows_of(pd.DataFrame({"b": ["x"], "a": [1]})))
    with pytest.raises(TypeError, match="column 'b' is string in one set of rows and long in the other"):
        rows.as_in(rows_of(pd.DataFrame({"a": [1], "b": [2]})))

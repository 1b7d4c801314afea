"""The rows, their columns, and the digest that tells whether two models were judged on the same ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from viridian.training.holdout import Column, columns_of, holdout_of
from viridian.training.outcome import DataNotGoodEnough

FEATURES = np.array([[1.0, 2.0], [3.0, 4.0]])
TARGET = np.array([0, 1])


class Frame:
    """As much of a data frame as is looked at: pandas itself is not needed here."""

    columns = ("age", "spend")
    dtypes = (np.dtype("int64"), np.dtype("float32"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return FEATURES.astype(dtype or "float64")


def test_columns_of_a_matrix_are_numbered_or_named() -> None:
    assert columns_of(FEATURES, None) == (Column("f0", "double"), Column("f1", "double"))
    assert columns_of(FEATURES.astype("float32"), ["a", "b"]) == (Column("a", "float"), Column("b", "float"))


def test_a_data_frame_brings_names_and_types() -> None:
    assert holdout_of(Frame(), TARGET, ["x", "y"]).columns == (Column("age", "long"), Column("spend", "float"))


def test_a_column_with_gaps_is_not_required() -> None:
    rows = holdout_of(np.array([[1.0, np.nan], [2.0, 3.0]]), TARGET, ["a", "b"])
    assert [(column.name, column.required) for column in rows.columns] == [("a", True), ("b", False)]


@pytest.mark.parametrize("dtype", ["U3", "bool", "object"])
def test_a_column_that_is_no_number_is_refused_by_name(dtype: str) -> None:
    with pytest.raises(TypeError, match=r"column 'f0' holds .* only numbers are served"):
        columns_of(np.array([["1"]]).astype(dtype), None)


@pytest.mark.parametrize(
    ("features", "target", "names", "complaint"),
    [
        (FEATURES, [0], None, "needs one target for each row"),
        (FEATURES[0], [0], None, "rows by columns, not 1-dimensional"),
        (FEATURES, [0, 1], ["a"], "1 names for 2 columns"),
    ],
)
def test_what_does_not_fit_together(features: Any, target: Any, names: list[str] | None, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        holdout_of(features, target, names)


def test_no_rows_are_not_good_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("VIRIDIAN_TERMINATION_LOG", str(tmp_path / "log"))
    with pytest.raises(DataNotGoodEnough):
        holdout_of(FEATURES[:0], [])


def test_columns_are_found_by_name() -> None:
    rows = holdout_of(FEATURES, TARGET, ["a", "b"])
    assert rows.named(["b", "a"]).tolist() == [[2.0, 1.0], [4.0, 3.0]]
    with pytest.raises(ValueError, match="the holdout has no column 'c'"):
        rows.named(["c"])


def test_the_digest_is_the_documented_one() -> None:
    """Fixed, since digests of past runs are compared with those of later versions."""
    assert holdout_of(FEATURES, TARGET, ["a", "b"]).digest == (
        "sha256:f2952acba7d9c3968d1e6be877ea64fa74b09b026838839760917e560beb58a0"
    )


@pytest.mark.parametrize(
    "other",
    [
        holdout_of(FEATURES[::-1], TARGET[::-1], ["a", "b"]),
        holdout_of(FEATURES, TARGET[::-1], ["a", "b"]),
        holdout_of(FEATURES + 1e-9, TARGET, ["a", "b"]),
        holdout_of(FEATURES, TARGET, ["a", "c"]),
        holdout_of(FEATURES, TARGET.astype(str), ["a", "b"]),
    ],
    ids=["order", "target", "a number", "a name", "the target's type"],
)
def test_any_change_changes_the_digest(other: Any) -> None:
    assert other.digest != holdout_of(FEATURES, TARGET, ["a", "b"]).digest


@given(
    arrays.arrays(np.float64, (3, 2), elements=st.floats(allow_nan=False)),
    st.lists(st.integers(), min_size=3, max_size=3),
)
def test_the_digest_does_not_depend_on_how_numbers_lie_in_memory(matrix: np.ndarray, target: list[int]) -> None:
    plain = holdout_of(matrix, np.array(target, dtype=object))
    assert holdout_of(np.asfortranarray(matrix), np.array(target, dtype=object)).digest == plain.digest

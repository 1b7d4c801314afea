"""The rows that models are judged on, and the digest that tells whether two models were judged on the same ones."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from viridian.training.holdout import holdout_of
from viridian.training.stage_exit import DataNotGoodEnough

FEATURES = np.array([[1.0, 2.0], [3.0, 4.0]])
TARGET = np.array([0, 1])


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


def test_the_digest_is_the_documented_one() -> None:
    """Fixed, since digests of past runs are compared with those of later versions."""
    assert holdout_of(FEATURES, TARGET, ["a", "b"]).digest == (
        "sha256:f2952acba7d9c3968d1e6be877ea64fa74b09b026838839760917e560beb58a0"
    )


FRAME = pd.DataFrame({"age": [1.5, None], "city": ["Kiel", None], "member": [True, False]})


def test_the_digest_of_columns_that_are_not_all_numbers_is_the_documented_one() -> None:
    head = b'{"columns": ["age", "city", "member"], "shape": [2, 3], "types": ["double", "string", "boolean"]}\n'
    body = np.array([1.5, np.nan], dtype="<f8").tobytes() + b'["Kiel", null]' + b"[true, false]" + b"[0, 1]"
    assert holdout_of(FRAME, TARGET).digest == f"sha256:{hashlib.sha256(head + body).hexdigest()}"


@pytest.mark.parametrize(
    "other",
    [
        FRAME.assign(city=["Kiel", "None"]),
        FRAME.assign(city=["Brno", None]),
        FRAME.assign(member=[True, True]),
        FRAME.assign(member=[1, 0]),
        FRAME.assign(age=[1.5, 0.0]),
        FRAME[::-1],
    ],
    ids=["a word for nothing", "a word", "a flag", "a type", "a gap", "order"],
)
def test_any_change_of_text_and_flags_changes_it_too(other: pd.DataFrame) -> None:
    assert holdout_of(other, TARGET).digest != holdout_of(FRAME, TARGET).digest


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

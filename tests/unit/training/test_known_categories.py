"""Columns of categories in a table that was read apart from the training rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from viridian.training.boosting_libraries import with_categories, with_known_categories

READ_APART = pd.DataFrame(
    {"city": pd.Categorical(["Oslo"]), "tariff": pd.Categorical([3]), "grade": pd.Categorical(["b"], ordered=True)}
)
SEEN = {
    "city": np.array(["Lima", None, "Oslo"], object),
    "tariff": np.array([7.0, 3.0, np.nan]),
    "grade": np.array(["a", "b", "b"], object),
}


def test_a_table_has_the_categories_of_all_rows_that_are_known() -> None:
    whole = with_known_categories(READ_APART, SEEN)
    assert list(whole["city"].cat.categories) == ["Oslo", "Lima"]
    assert list(whole["tariff"].cat.categories) == [3, 7]
    assert whole["tariff"].cat.categories.dtype.kind == "i"
    assert whole["grade"].cat.ordered
    assert whole.iloc[0].tolist() == ["Oslo", 3, "b"]
    matrix = np.zeros((2, 2))
    assert with_known_categories(matrix, SEEN) is matrix


def test_flags_with_gaps_have_the_type_of_the_table_that_the_model_knows() -> None:
    like = pd.DataFrame({"member": pd.array([True, None], dtype="boolean")})
    asked = pd.DataFrame({"member": np.array([np.nan, True], object)})
    assert with_categories(asked, like).dtypes["member"] == "boolean"

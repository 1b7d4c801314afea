"""`SimpleImputer` in graphs of 64 bits: in front of boosted trees, and of scalers whose numbers must not be rounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from viridian.training.payload import as_onnx
from viridian.training.rows import DatasetColumn

CHANCE = np.random.default_rng(8)
ROWS = CHANCE.lognormal(5, 3, (300, 3))
TARGET = ROWS[:, 0] * 2 + ROWS[:, 1]
ROWS[CHANCE.random(ROWS.shape) < 0.2] = np.nan
COLUMNS = [DatasetColumn(name, "double", required=False) for name in ("a", "b", "c")]


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(SimpleImputer(), StandardScaler(), HistGradientBoostingRegressor(max_iter=5)),
        make_pipeline(SimpleImputer(strategy="median"), LinearRegression()),
        make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0), LinearRegression()),
        make_pipeline(SimpleImputer(strategy="most_frequent"), StandardScaler(), LinearRegression()),
    ],
    ids=["mean", "median", "constant", "most frequent"],
)
def test_gaps_are_filled_in_64_bits(model: Any) -> None:
    model.fit(ROWS, TARGET)
    session = onnxruntime.InferenceSession(as_onnx(model, COLUMNS, DoubleTensorType).content)
    (answers,) = session.run(None, {"input": ROWS})
    np.testing.assert_allclose(answers.ravel(), model.predict(ROWS), rtol=1e-9)

"""Histogram gradient boosting as ONNX answers as the estimator does, to the last bits of 64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from viridian.api.profile import ReferenceProfile
from viridian.serving.bundle.contents import Format
from viridian.training.holdout import holdout_of
from viridian.training.not_expressible import NotExpressible
from viridian.training.packing import pack
from viridian.training.payload import as_onnx, numbers
from viridian.training.rows import DatasetColumn
from viridian.training.scores import predict

Numbers = NDArray[np.float64]
CODES = np.array([-3, 0, 1, 2, 2.5, 7, 64, 65, 100, 255, 1e6, 2.0**53])
ROWS = 600


def table() -> Numbers:
    """Two measures, a column of few codes, one of many; a tenth of each is missing."""
    chance = np.random.default_rng(3)
    rows = np.column_stack(
        [
            chance.normal(size=ROWS),
            chance.choice(CODES, ROWS),
            chance.lognormal(size=ROWS),
            chance.integers(0, 200, ROWS),
        ]
    )
    rows[chance.random(rows.shape) < 0.1] = np.nan
    return rows


def probes(model: Any, rows: Numbers) -> Numbers:
    """What a request may hold: the rows, numbers on a threshold and right beside it, gaps, and unknown codes."""
    thresholds = [
        float(node["num_threshold"])
        for trees in getattr(last(model), "_predictors", ())
        for tree in trees
        for node in tree.nodes
        if not node["is_leaf"] and not node["is_categorical"] and np.isfinite(node["num_threshold"])
    ][:50]
    beside = [f(t, d) for t in thresholds for f, d in ((np.nextafter, np.inf), (np.nextafter, -np.inf))]
    edges = np.array([*thresholds, *beside, 0.0, -0.0, 1e300, -1e300, np.nan])
    codes = np.array([*CODES, np.nan, -1.0, 3.0, 1.5, 256.0, 1e9])
    chance = np.random.default_rng(5)
    size = 400
    mixed = [
        chance.choice(edges, size),
        chance.choice(codes, size),
        chance.choice(edges, size),
        chance.choice(codes, size),
    ]
    return np.concatenate([rows, np.column_stack(mixed)])


def last(model: Any) -> Any:
    return model.steps[-1][1] if hasattr(model, "steps") else model


def two(rows: Numbers) -> Any:
    return np.nan_to_num(rows[:, 0]) + np.isin(rows[:, 1], [0, 7, 65, 1e6]) > 0.5


def three(rows: Numbers) -> Any:
    return (np.nan_to_num(rows[:, 0]) > 0).astype(int) + np.isin(rows[:, 1], [0, 7, 65, 1e6])


def words(rows: Numbers) -> Any:
    return np.array(["no", "vielleicht", "größer"])[three(rows)]


def amount(rows: Numbers) -> Any:
    return np.nan_to_num(rows[:, 2]) + three(rows) + 0.1


@dataclass(frozen=True)
class Case:
    name: str
    model: Any
    target: Callable[[Numbers], Any]


def classifier(**options: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=15, random_state=1, **options)


def regressor(**options: Any) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(max_iter=8, max_leaf_nodes=15, random_state=1, **options)


CASES = [
    Case("two classes", classifier(), two),
    Case("three classes", classifier(), three),
    Case("words", classifier(), words),
    Case("codes as categories", classifier(categorical_features=[1]), two),
    Case("two columns of categories, three classes", classifier(categorical_features=[3, 1]), three),
    Case("nothing but categories", classifier(categorical_features=[0, 1, 2, 3], max_bins=255), words),
    Case("squares", regressor(), amount),
    Case("squares, categories", regressor(categorical_features=[1, 3]), amount),
    Case("a quantile", regressor(loss="quantile", quantile=0.8), amount),
    Case("counts", regressor(loss="poisson"), amount),
    Case("gamma", regressor(loss="gamma"), amount),
    Case("one leaf", classifier(min_samples_leaf=ROWS), two),
    Case("behind a scaler", make_pipeline(StandardScaler(), classifier()), two),
    Case("calibrated", CalibratedClassifierCV(classifier(), cv=2), two),
    Case("calibrated, three classes", CalibratedClassifierCV(classifier(), cv=2), three),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_graph_answers_as_the_estimator_does(case: Case) -> None:
    rows = table()
    if case.name == "nothing but categories":
        rows = np.round(rows)
    model = case.model.fit(rows, case.target(rows))
    asked = rows if case.name == "nothing but categories" else probes(model, rows)
    answers = session(as_onnx(model, columns(4), *numbers(model)).content).run(None, {"input": asked})
    if case.target is amount:
        np.testing.assert_allclose(answers[0].ravel(), model.predict(asked), rtol=1e-12)
    else:
        assert answers[0].tolist() == model.predict(asked).tolist()
        np.testing.assert_allclose(answers[1], model.predict_proba(asked), rtol=0, atol=1e-12)


def test_categories_that_are_words_are_not_expressed() -> None:
    rows = np.array([["a", "b", "c", "a"] * 20], dtype=object).T
    model = classifier(categorical_features=[0]).fit(rows, np.arange(80) % 4 == 1)
    with pytest.raises(NotExpressible, match="categories that are no numbers"):
        as_onnx(model, columns(1), *numbers(model))


def test_a_packed_one_is_onnx(tmp_path: Any) -> None:
    data = load_breast_cancer()
    model = classifier().fit(data.data[:400], data.target[:400])
    rows = holdout_of(data.data[400:], data.target[400:])

    def no_profile(_: object) -> ReferenceProfile | None:
        return None

    assert pack(tmp_path, model, rows, predict(model, rows.features), no_profile).payload == Format.ONNX.name.lower()


def columns(count: int) -> list[DatasetColumn]:
    return [DatasetColumn(f"c{place}", "double", required=False) for place in range(count)]


def session(graph: bytes) -> Any:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

"""skops payloads: our list of types, one minor version of scikit-learn, and no tree that points outside of itself."""

from __future__ import annotations

import getpass
import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from tests.support import models
from viridian.serving.errors import BundleRefused
from viridian.serving.execution import model
from viridian.serving.runtimes import trees
from viridian.serving.runtimes.sklearn_runtime import check_version

CLASSIFIERS: list[Any] = [
    LogisticRegression(max_iter=500),
    SGDClassifier(random_state=0),
    SGDClassifier(loss="log_loss", random_state=0),
    RidgeClassifier(),
    GaussianNB(),
    KNeighborsClassifier(algorithm="brute"),
    SVC(),
    LinearSVC(),
    DecisionTreeClassifier(),
    RandomForestClassifier(5, n_jobs=-1, random_state=0),
    ExtraTreesClassifier(5, random_state=0),
    GradientBoostingClassifier(n_estimators=3),
    HistGradientBoostingClassifier(max_iter=3),
    CalibratedClassifierCV(LogisticRegression(max_iter=500), cv=2),
    CalibratedClassifierCV(GaussianNB(), cv=2, method="isotonic"),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(KBinsDiscretizer(3, encode="ordinal"), GaussianNB()),
    make_pipeline(StandardScaler(), MLPClassifier((4,), tol=0.1, random_state=0)),
]
REGRESSORS: list[Any] = [
    LinearRegression(),
    Ridge(),
    RandomForestRegressor(5, random_state=0),
    GradientBoostingRegressor(n_estimators=3),
    HistGradientBoostingRegressor(max_iter=3),
]


def answers(served: model.LoadedModel, rows: Any) -> dict[str, Any]:
    body = {"inputs": [{"name": "rows", "shape": list(rows.shape), "datatype": "FP64", "data": rows.tolist()}]}
    outputs = json.loads(served.infer(json.dumps(body).encode(), ""))["outputs"]
    return {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in outputs}


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=lambda estimator: repr(estimator)[:40])
def test_classifiers_answer_as_they_did_in_training(tmp_path: Path, estimator: Any) -> None:
    features, classes = models.iris()
    fitted = estimator.fit(features, classes)
    served = model.load(models.write_skops_mlflow(tmp_path, fitted, models.iris_columns()), "m", "1", 1)
    told = answers(served, features)
    assert np.array_equal(told["label"], fitted.predict(features))
    if hasattr(fitted, "predict_proba"):
        assert np.allclose(told["probabilities"], fitted.predict_proba(features))
    else:
        assert set(told) == {"label"}


@pytest.mark.parametrize("estimator", REGRESSORS, ids=lambda estimator: type(estimator).__name__)
def test_regressors_answer_as_they_did_in_training(tmp_path: Path, estimator: Any) -> None:
    features, _ = models.iris()
    fitted = estimator.fit(features[:, :3], features[:, 3])
    served = model.load(models.write_skops_mlflow(tmp_path, fitted), "m", "1", 1)
    assert np.allclose(answers(served, features[:, :3])["prediction"], fitted.predict(features[:, :3]))


def test_string_labels_come_back_as_strings(tmp_path: Path) -> None:
    features, classes = models.iris()
    fitted = LogisticRegression(max_iter=500).fit(features, np.array(["setosa", "versicolor", "virginica"])[classes])
    served = model.load(models.write_skops_mlflow(tmp_path, fitted), "m", "1", 1)
    assert served.invoke(b'{"inputs": [[5.1, 3.5, 1.4, 0.2]]}', "") == b'{"predictions":["setosa"]}'


def test_the_list_that_travels_with_the_model_is_not_believed(tmp_path: Path) -> None:
    """MLflow would hand exactly this list to skops."""
    directory = models.write_skops_mlflow(tmp_path, Untrusted().fit(*models.iris()), skops_trusted_types=[UNTRUSTED])
    with pytest.raises(BundleRefused) as raised:
        model.load(directory, "m", "1", 1)
    assert f"builds types that are not trusted: {UNTRUSTED}" in str(raised.value)


class Untrusted(GaussianNB):  # type: ignore[misc]
    """An estimator that nobody listed."""


UNTRUSTED = f"{Untrusted.__module__}.Untrusted"


@pytest.mark.parametrize("version", ["1.8.2", "1.10.0", "2.0", "0.24.1"])
def test_another_minor_version_is_refused_in_words(tmp_path: Path, version: str) -> None:
    models.write_skops_mlflow(tmp_path, models.logistic(), sklearn_version=version)
    with pytest.raises(BundleRefused) as raised:
        model.load(tmp_path, "m", "1", 1)
    assert f"written by scikit-learn {version}, and this server runs 1.9." in str(raised.value)
    check_version("1.9.0")
    check_version(None)


def test_the_version_inside_the_payload_counts_as_well(tmp_path: Path) -> None:
    models.write_skops_mlflow(tmp_path, models.logistic())
    rewrite_payload(tmp_path / "model.skops", b"1.9.1", b"1.7.0")
    with pytest.raises(BundleRefused, match=r"written by scikit-learn 1\.7\.0"):
        model.load(tmp_path, "m", "1", 1)


def rewrite_payload(path: Path, old: bytes, new: bytes) -> None:
    """The same skops file, with other bytes in its description."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert old in members["schema.json"]
    members["schema.json"] = members["schema.json"].replace(old, new)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_columns_in_another_order_than_in_training_are_refused(tmp_path: Path) -> None:
    fitted = models.logistic()
    fitted.steps[0][1].feature_names_in_ = np.array(models.IRIS, dtype=object)
    models.write_skops_mlflow(tmp_path, fitted, models.iris_columns()[::-1])
    with pytest.raises(BundleRefused, match="not those that the estimator was fitted on"):
        model.load(tmp_path, "m", "1", 1)


def test_names_come_from_the_estimator_where_there_is_no_signature(tmp_path: Path) -> None:
    fitted = models.logistic()
    fitted.steps[0][1].feature_names_in_ = np.array(models.IRIS, dtype=object)
    served = model.load(models.write_skops_mlflow(tmp_path, fitted), "m", "1", 1)
    assert [column["name"] for column in json.loads(served.metadata)["inputs"]] == list(models.IRIS)


def test_text_for_an_estimator_that_was_fitted_on_a_matrix_is_refused(tmp_path: Path) -> None:
    models.write_skops_mlflow(tmp_path, models.logistic(), models.columns(("city", "string")))
    with pytest.raises(BundleRefused, match="the estimator was fitted on a matrix: fit it on a data frame"):
        model.load(tmp_path, "m", "1", 1)


def test_a_partial_may_hold_nothing_but_what_is_trusted(tmp_path: Path) -> None:
    """Boosted trees need partials; what is in one is looked at like anything else."""
    fitted = make_pipeline(FunctionTransformer(partial(getpass.getuser)), models.logistic())
    models.write_skops_mlflow(tmp_path, fitted)
    with pytest.raises(BundleRefused, match=r"types that are not trusted: getpass\.getuser"):
        model.load(tmp_path, "m", "1", 1)


def forest() -> Any:
    features, classes = models.iris()
    return RandomForestClassifier(3, random_state=0).fit(features, classes)


@pytest.mark.parametrize(
    ("array", "value"),
    [("children_left", 10_000), ("children_right", -7), ("children_left", 0), ("feature", 999), ("feature", -9)],
)
def test_a_tree_that_points_outside_of_itself_is_refused(tmp_path: Path, array: str, value: int) -> None:
    """Compiled code would follow it without looking, out of bounds or for ever."""
    fitted = forest()
    getattr(fitted.estimators_[1].tree_, array)[0] = value
    models.write_skops_mlflow(tmp_path, fitted)
    with pytest.raises(BundleRefused, match="nodes point outside of it"):
        model.load(tmp_path, "m", "1", 1)


@pytest.mark.parametrize(("field", "value"), [("left", 10_000), ("right", 0), ("feature_idx", 99)])
def test_a_boosted_tree_that_points_outside_of_itself_is_refused(tmp_path: Path, field: str, value: int) -> None:
    features, classes = models.iris()
    fitted = HistGradientBoostingClassifier(max_iter=2).fit(features, classes)
    fitted._predictors[1][0].nodes[field][0] = value
    models.write_skops_mlflow(tmp_path, fitted)
    with pytest.raises(BundleRefused, match="nodes point outside of it"):
        model.load(tmp_path, "m", "1", 1)


def test_trees_as_they_grow_are_fine() -> None:
    features, classes = models.iris()
    trees.check_trees(forest())
    trees.check_trees(
        make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=2)).fit(features, classes)
    )
    categorical = np.column_stack([features, classes])
    trees.check_trees(HistGradientBoostingClassifier(max_iter=2, categorical_features=[4]).fit(categorical, classes))

"""What a version says that it does not answer for: other categories than it knows, and numbers far beyond its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from tests.support import models
from viridian.serving.bundle import contents
from viridian.serving.errors import BadInput, ModelFailed, Rejection
from viridian.serving.execution import model
from viridian.serving.execution.model import LoadedModel
from viridian.serving.runtimes.sklearn_runtime import refusal


def narrowed(directory: Path, facts: dict[str, Any]) -> Path:
    described = directory / "MLmodel"
    document = yaml.safe_load(described.read_text())
    described.write_text(yaml.safe_dump({**document, "metadata": {"viridian": facts}}))
    return directory


def mixed(tmp_path: Path, facts: dict[str, Any]) -> LoadedModel:
    """A graph with one input for each column, which echoes the city."""
    return model.load(narrowed(models.write_mixed(tmp_path), facts), "mixed", "1", 1)


def row(**changes: Any) -> bytes:
    usual = {"an age": 41.5, "visits": 3, "member": True, "city": "Kiel"}
    return json.dumps({"dataframe_records": [{**usual, **changes}]}).encode()


def refused(served: LoadedModel, body: bytes) -> tuple[Rejection, str, str]:
    with pytest.raises(BadInput) as error:
        served.invoke(body, "")
    return error.value.reason, error.value.field, error.value.message


KNOWN = {"known": {"city": ["", "Kiel", "Köln"], "visits": [0, 3, 5]}}


@pytest.mark.parametrize(("name", "value"), [("city", "Lyon"), ("city", "kiel"), ("visits", 4)])
def test_a_value_that_is_not_known_is_refused_and_not_quoted(tmp_path: Path, name: str, value: Any) -> None:
    reason, field, message = refused(mixed(tmp_path, KNOWN), row(**{name: value}))
    assert (reason, field) == (Rejection.UNKNOWN_VALUE, name)
    assert message.startswith(f"'{name}', row 0: a value that the model does not know")
    assert str(value) not in message


def test_known_values_are_answered(tmp_path: Path) -> None:
    served = mixed(tmp_path, KNOWN)
    for changes in ({}, {"city": "Köln"}, {"visits": 5.0}, {"an age": 1e20}):
        assert json.loads(served.invoke(row(**changes), ""))["predictions"]


def test_numbers_beyond_the_largest_are_refused_by_column(tmp_path: Path) -> None:
    served = mixed(tmp_path, {"largest": 1e6})
    assert served.invoke(row(**{"an age": -1e6}), "")
    assert refused(served, row(**{"an age": -1.1e6})) == (
        Rejection.OUT_OF_RANGE,
        "an age",
        "'an age': a number is beyond ±1e+06, and this model answers only up to there",
    )


def test_a_null_is_neither_unknown_nor_large(tmp_path: Path) -> None:
    signature = models.columns(
        ("an age", "double", False), ("visits", "long"), ("member", "boolean"), ("city", "string", False)
    )
    models.write_mixed(tmp_path, signature)
    served = model.load(narrowed(tmp_path, {**KNOWN, "largest": 1e6}), "mixed", "1", 1)
    assert served.invoke(row(**{"an age": None, "city": None}), "")


def test_a_matrix_of_numbers_is_narrowed_as_well(tmp_path: Path) -> None:
    directory = narrowed(models.write_onnx_mlflow(tmp_path), {"known": {models.IRIS[1]: [0, 1.5]}, "largest": 100})
    served = model.load(directory, "m", "1", 1)
    assert served.invoke(json.dumps({"instances": [[5, 1.5, 3, 1]]}).encode(), "")
    assert refused(served, json.dumps({"instances": [[5, 1.5, 3, 1], [5, 2, 3, 1]]}).encode())[:2] == (
        Rejection.UNKNOWN_VALUE,
        models.IRIS[1],
    )
    assert refused(served, json.dumps({"instances": [[101, 1.5, 3, 1]]}).encode())[0] is Rejection.OUT_OF_RANGE


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"known": "city"},
        {"known": {"city": "Kiel"}},
        {"known": {"town": ["Kiel"]}},
        {"largest": "1e6"},
        {"largest": -1},
    ],
)
def test_what_says_nothing_narrows_nothing(tmp_path: Path, facts: dict[str, Any]) -> None:
    read = contents.read(narrowed(models.write_mixed(tmp_path), facts))
    assert read.largest == float("inf")
    assert all(column.known is None for column in read.signature.columns)  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of overflows, in scikit-learn
def test_numbers_of_32_bits_are_rounded_as_in_training(tmp_path: Path) -> None:
    """0.1 is the number that the model knows as 0.1, whichever runtime answers."""
    known = np.array([[0.1], [0.2]], np.float32)
    encoded = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(known, [0, 1])
    example = {"dataframe_split": {"columns": ["x"], "data": [[0.1]]}}
    directory = models.write_skops_mlflow(tmp_path, encoded, models.columns(("x", "float")), example)
    served = model.load(directory, "m", "1", 1)
    assert json.loads(served.invoke(b'{"instances": [[0.1], [0.2]]}', ""))["predictions"] == [0, 1]
    assert refused(served, b'{"instances": [[1e39]]}')[0] is Rejection.OUT_OF_RANGE


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of overflows, in scikit-learn
def test_what_scikit_learn_calls_wrong_is_a_wrong_request(tmp_path: Path) -> None:
    tree = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    served = model.load(models.write_skops_mlflow(tmp_path, tree, models.columns(("x", "double"))), "m", "1", 1)
    reason, _, message = refused(served, b'{"instances": [[1e39]]}')
    assert (reason, message) == (Rejection.OUT_OF_RANGE, "a row has a number that is too large for the model")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Found unknown categories ['secret'] in column 0 during transform", Rejection.UNKNOWN_VALUE),
        ("Input X contains NaN.", Rejection.MISSING_VALUE),
        ("Input contains infinity or a value too large for dtype('float64').", Rejection.OUT_OF_RANGE),
        ("shapes (1,2) and (3,) not aligned", None),
    ],
)
def test_only_complaints_about_values_are_the_requests_fault(said: str, reason: Rejection | None) -> None:
    found = refusal(ValueError(said))
    assert (found and found.reason) == reason
    assert found is None or "secret" not in found.message


def test_anything_else_that_it_raises_is_the_models_fault(tmp_path: Path) -> None:
    broken = LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    directory = models.write_skops_mlflow(tmp_path, broken, models.columns(("a", "double"), ("b", "double")))
    served = model.load(directory, "m", "1", 1)
    served._runtime._estimator.coef_ = np.zeros((1, 3))  # type: ignore[attr-defined]
    with pytest.raises(ModelFailed, match="ValueError"):
        served.invoke(b'{"instances": [[0, 1]]}', "")

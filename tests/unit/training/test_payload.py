"""When two predictions are those of the same model, and what MLflow's own loaders make of the bundle."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from tests.support.mlflow_server import cache
from viridian.serving.bundle import contents as served_bundle
from viridian.training import bundle
from viridian.training.holdout import holdout_of
from viridian.training.not_expressible import NotExpressible
from viridian.training.parity import difference
from viridian.training.payload import as_onnx, as_skops
from viridian.training.rows import DatasetColumn
from viridian.training.scores import Predicted

LABELS = np.array([0, 1])
SURE = np.array([[0.9, 0.1], [0.2, 0.8]])
CANCER = load_breast_cancer()


@pytest.mark.parametrize(
    ("expected", "got", "doubt"),
    [
        (Predicted(LABELS, SURE), Predicted(LABELS, SURE + 9e-5), None),
        (Predicted(LABELS, SURE), Predicted(LABELS, SURE + 2e-4), "a probability differs by 0.0002"),
        (Predicted(LABELS, SURE), Predicted(LABELS, SURE * np.nan), "a probability differs by nan"),
        (Predicted(LABELS, SURE), Predicted(LABELS, SURE[:, :1]), "it gives other probabilities"),
        (Predicted(LABELS, SURE), Predicted(LABELS), "it gives other probabilities"),
        (Predicted(LABELS, SURE), Predicted(LABELS[::-1], SURE), "2 labels differ"),
        (Predicted(LABELS, SURE), Predicted(LABELS.astype(str), SURE), None),
        (Predicted(LABELS, np.full((2, 2), 0.5)), Predicted(LABELS[::-1], np.full((2, 2), 0.5)), None),
        (Predicted(LABELS), Predicted(np.array([0, 0])), "1 labels differ"),
        (Predicted(np.array([0.0, 1e6])), Predicted(np.array([50.0, 1e6])), None),
        (
            Predicted(np.array([0.0, 1e6])),
            Predicted(np.array([500.0, 1e6])),
            "a prediction differs by 0.0005 of their spread",
        ),
        (Predicted(np.array([7.0, 7.0])), Predicted(np.array([7.0, 7.0])), None),
    ],
)
def test_what_keeps_two_from_being_one_model(expected: Predicted, got: Predicted, doubt: str | None) -> None:
    assert difference(expected, got) == doubt


def test_a_classifier_without_probabilities_is_not_for_onnx() -> None:
    model = LinearSVC(max_iter=10_000).fit(CANCER.data[:, :2] / 100, CANCER.target)
    with pytest.raises(NotExpressible, match="gives no probabilities"):
        as_onnx(model, (DatasetColumn("a", "double"), DatasetColumn("b", "double")))


def test_text_with_gaps_is_not_for_onnx() -> None:
    columns = (DatasetColumn("age", "double", required=False), DatasetColumn("city", "string", required=False))
    with pytest.raises(NotExpressible, match="column 'city' is text with gaps"):
        as_onnx(LogisticRegression(), columns)


def test_the_bundle_is_what_the_server_reads(tmp_path: Path) -> None:
    rows = holdout_of(CANCER.data, CANCER.target, names=CANCER.feature_names)
    model = LogisticRegression(max_iter=10_000).fit(CANCER.data, CANCER.target)
    bundle.write(tmp_path / "b", as_onnx(model, rows.columns), rows, {})
    read = served_bundle.read(tmp_path / "b")
    assert read.format is served_bundle.Format.ONNX
    assert read.example is not None
    assert json.loads(read.example)["dataframe_split"]["data"] == [CANCER.data[0].tolist()]


@pytest.mark.needs_mlflow
def test_mlflows_own_loader_takes_it_too(tmp_path: Path) -> None:
    """Full MLflow, as a user has it: the version is a normal MLflow model."""
    rows = holdout_of(CANCER.data, CANCER.target, names=CANCER.feature_names)
    model = HistGradientBoostingClassifier(max_iter=5, random_state=1).fit(CANCER.data, CANCER.target)
    bundle.write(tmp_path / "b", as_skops(model), rows, {})
    script = (
        "import sys, json, pandas, mlflow;"
        "model = mlflow.pyfunc.load_model(sys.argv[1]);"
        "frame = pandas.DataFrame(**json.load(open(sys.argv[1] + '/input_example.json')));"
        "print(json.dumps([model.metadata.get_input_schema().input_names()[0], int(model.predict(frame)[0])]))"
    )
    done = subprocess.run(
        [str(cache() / "mlflow-venv" / "bin" / "python"), "-c", script, str(tmp_path / "b")],
        env={"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["mean radius", int(model.predict(CANCER.data[:1])[0])]


def test_the_list_for_mlflows_loader_names_no_more_than_needed() -> None:
    model = LogisticRegression(max_iter=10_000).fit(CANCER.data, CANCER.target)
    payload = as_skops(model)
    assert payload.flavors["sklearn"]["skops_trusted_types"] == []
    assert skops.io.get_untrusted_types(data=payload.content) == []

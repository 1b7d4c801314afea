"""From a fitted estimator to a directory that a server answers from: every kind of column, task and payload."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.svm import LinearSVC

from viridian.api.manifest import MANIFEST_PATH, parse
from viridian.api.profile import PROFILE_PATH, Categories, Numbers, ReferenceProfile, Task
from viridian.api.signing import Subject
from viridian.serving.bundle import contents
from viridian.serving.bundle.integrity import verify_directory
from viridian.serving.bundle.trusted_keys import Trust
from viridian.serving.data.outputs import LABEL, PREDICTION, PROBABILITIES
from viridian.serving.execution import model
from viridian.serving.observation.live_profile import LiveProfile, PredictedRows
from viridian.serving.protocols import invocations
from viridian.serving.runtimes import loader
from viridian.training.holdout import Holdout, holdout_of
from viridian.training.log_call import together
from viridian.training.packing import Packed, pack
from viridian.training.reference import reference
from viridian.training.scores import predict
from viridian.training.signing import KEY_FILE, make_key

ROWS = 240
CITIES = np.array(["Lyon", "Kiel", "Brno"], dtype=object)


def frame(*, gaps: bool) -> pd.DataFrame:
    """Customers with every kind of column, names with blanks, and gaps where they are asked for."""
    chance = np.random.default_rng(7)
    rows = pd.DataFrame(
        {
            "an age": chance.normal(40, 10, ROWS),
            "visits": chance.integers(0, 9, ROWS),
            "is member": chance.random(ROWS) < 0.5,
            "city": CITIES[chance.integers(0, 3, ROWS)],
            "plan": pd.Series(np.array(["basic", "plus"])[chance.integers(0, 2, ROWS)], dtype="category"),
        }
    )
    if gaps:
        for name in ("an age", "visits", "city"):
            rows[name] = rows[name].mask(chance.random(ROWS) < 0.1)
    return rows


def spent(rows: pd.DataFrame) -> Any:
    return (rows["an age"].fillna(40) * 2 + rows["visits"].fillna(3) + 20 * (rows["city"] == "Kiel")).to_numpy(float)


def left(rows: pd.DataFrame) -> Any:
    return (spent(rows) > np.median(spent(rows))).astype(int)


def where(rows: pd.DataFrame) -> Any:
    return np.array(["none", "some", "much"], dtype=object)[np.digitize(spent(rows), [70, 100])]


NUMBERS, WORDS = ["an age", "visits"], ["city", "is member", "plan"]


def encoded(*, gaps: bool = False) -> ColumnTransformer:
    numbers = make_pipeline(SimpleImputer(), StandardScaler()) if gaps else StandardScaler()
    return ColumnTransformer([("n", numbers, NUMBERS), ("w", OneHotEncoder(handle_unknown="ignore"), WORDS)])


def ordinal() -> ColumnTransformer:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer([("w", encoder, ["city", "plan"])], remainder="passthrough")


@dataclass(frozen=True)
class Case:
    name: str
    estimator: Any
    target: Callable[[pd.DataFrame], Any]
    task: Task
    payload: str
    gaps: bool = False
    columns: tuple[str, ...] = ("an age", "visits", "is member", "city", "plan")


SELECTED = ColumnTransformer(
    [
        ("n", StandardScaler(), make_column_selector(dtype_include="number")),
        ("w", OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    ]
)
CASES = [
    Case("binary, linear", make_pipeline(encoded(), LogisticRegression(max_iter=500)), left, Task.BINARY, "onnx"),
    Case(
        "binary, forest", make_pipeline(encoded(), RandomForestClassifier(9, random_state=1)), left, Task.BINARY, "onnx"
    ),
    Case("by selector", make_pipeline(SELECTED, LogisticRegression(max_iter=500)), left, Task.BINARY, "onnx"),
    Case(
        "multi-class, words", make_pipeline(encoded(), LogisticRegression(max_iter=500)), where, Task.MULTICLASS, "onnx"
    ),
    Case("regression", make_pipeline(encoded(), Ridge()), spent, Task.REGRESSION, "onnx"),
    Case("gaps", make_pipeline(encoded(gaps=True), LogisticRegression(max_iter=500)), left, Task.BINARY, "skops", True),
    Case(
        "gaps in numbers alone",
        make_pipeline(SimpleImputer(), RandomForestRegressor(9, random_state=1)),
        spent,
        Task.REGRESSION,
        "onnx",
        True,
        ("an age", "visits"),
    ),
    Case(
        "boosted, categories by type",
        HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype"),
        left,
        Task.BINARY,
        "onnx",
        True,
        ("an age", "visits", "is member", "plan"),
    ),
    Case(
        "boosted regression, gaps",
        make_pipeline(ordinal(), HistGradientBoostingRegressor(max_iter=5)),
        spent,
        Task.REGRESSION,
        "skops",
        True,
    ),
    Case(
        "target encoder",
        make_pipeline(
            ColumnTransformer([("w", TargetEncoder(random_state=1), ["city"])], remainder="passthrough"),
            RandomForestClassifier(9, random_state=1),
        ),
        left,
        Task.BINARY,
        "onnx",
        columns=("an age", "city"),
    ),
    Case(
        "flags in a matrix",
        LogisticRegression(max_iter=900),
        left,
        Task.BINARY,
        "onnx",
        columns=("an age", "is member"),
    ),
    Case("no probabilities", make_pipeline(encoded(), LinearSVC()), left, Task.MULTICLASS, "skops"),
    Case(
        "a text",
        make_pipeline(
            ColumnTransformer([("t", TfidfVectorizer(analyzer="char"), "city")], remainder="drop"),
            LogisticRegression(max_iter=500),
        ),
        left,
        Task.BINARY,
        "skops",
        columns=("city",),
    ),
]
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@dataclass(frozen=True)
class Made:
    directory: Path
    packed: Packed
    holdout: Holdout
    estimator: Any
    profile: ReferenceProfile


def made(case: Case, directory: Path) -> Made:
    """The bundle of a case, fitted on the first 160 customers and judged on the others."""
    rows, target = frame(gaps=case.gaps), case.target(frame(gaps=case.gaps))
    rows = rows[list(case.columns)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = case.estimator.fit(rows[:160], target[:160])
    holdout, learnt = together(holdout_of(rows[160:], target[160:]), (rows[:160], target[:160]), None)
    expected = predict(estimator, holdout.features)
    packed = pack(
        directory, estimator, holdout, expected, lambda told: reference(estimator, learnt, holdout, told), learnt.rows
    )
    profile = msgspec.json.decode((packed.directory / PROFILE_PATH).read_bytes(), type=ReferenceProfile)
    return Made(packed.directory, packed, holdout, estimator, profile)


def asked(served: model.LoadedModel, rows: pd.DataFrame) -> list[Any]:
    """What users are answered, through JSON."""
    body = json.dumps({"dataframe_records": json.loads(rows.to_json(orient="records"))})
    predictions = json.loads(served.invoke(body.encode(), ""))["predictions"]
    assert isinstance(predictions, list)
    return predictions


@EACH
def test_the_server_answers_as_the_estimator_does(case: Case, tmp_path: Path) -> None:
    one = made(case, tmp_path / "bundle")
    assert one.packed.payload == case.payload, one.packed.reason
    verify_directory(one.directory, one.packed.digest)
    served = model.load(one.directory, "m", "1", 1)
    expected = one.estimator.predict(one.holdout.features)
    found = np.array(asked(served, one.holdout.features))
    if case.task is Task.REGRESSION:
        assert found == pytest.approx(expected, rel=1e-4)
    else:
        assert found.astype(str).tolist() == expected.astype(str).tolist()


@EACH
def test_the_profile_is_what_the_server_counts_on(case: Case, tmp_path: Path) -> None:
    """The server reads it, counts the very same rows, and finds what the trainer found."""
    one = made(case, tmp_path / "bundle")
    stored = one.profile
    assert stored.task is case.task
    assert PROFILE_PATH in parse((one.directory / MANIFEST_PATH).read_bytes())
    loaded = loader.load(contents.read(one.directory), 1)
    live = LiveProfile(stored, loaded.signature)
    batch = invocations.batch(
        json.dumps({"dataframe_records": json.loads(one.holdout.features.to_json(orient="records"))}).encode(),
        model.reader(loaded.signature),
    )
    live.add([PredictedRows(batch, loaded.predict(batch))])
    taken = live.take()
    assert taken.features.keys() == stored.profile.features.keys()
    assert taken.rows == stored.profile.rows == 80
    for sketch in taken.features.values():
        total = sum(sketch.counts) + sketch.missing + (sketch.other if isinstance(sketch, Categories) else 0)
        assert total == 80
    assert taken.prediction.counts == stored.profile.prediction.counts


@EACH
def test_sketches_are_of_the_kinds_that_the_columns_are(case: Case, tmp_path: Path) -> None:
    profile = made(case, tmp_path / "bundle").profile
    for name, sketch in profile.profile.features.items():
        assert isinstance(sketch, Numbers if name in NUMBERS else Categories), name
    assert isinstance(profile.profile.prediction, Categories if case.task is Task.MULTICLASS else Numbers)
    assert isinstance(profile.label, Numbers if case.task is Task.REGRESSION else Categories)
    assert (profile.calibration is not None) is (case.task is Task.BINARY)
    assert (profile.profile.sampled, profile.holdout_rows) == (160, 80)


def case_called(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def test_what_the_profile_of_a_binary_model_says(tmp_path: Path) -> None:
    one = made(case_called("binary, linear"), tmp_path / "bundle")
    profile, truth = one.profile, one.holdout.target
    scores = one.estimator.predict_proba(one.holdout.features)[:, 1]
    assert (profile.classes, profile.threshold) == (("0", "1"), 0.5)
    assert set(profile.metrics) == {"accuracy", "precision", "recall", "f1", "auc", "log-loss", "brier"}
    assert profile.metrics["brier"] == pytest.approx(((scores - truth) ** 2).mean())
    assert profile.calibration is not None
    assert sum(profile.calibration.positives) == truth.sum()
    assert sum(profile.calibration.scores) == pytest.approx(scores.sum())
    assert isinstance(profile.label, Categories)
    assert profile.label.names == profile.classes
    assert sum(profile.label.counts) == 160


def test_what_the_profile_of_a_regression_says(tmp_path: Path) -> None:
    profile = made(case_called("regression"), tmp_path / "bundle").profile
    assert set(profile.metrics) == {"mae", "rmse", "bias", "r2"}
    assert profile.classes == ()
    assert profile.metrics["rmse"] >= profile.metrics["mae"] >= abs(profile.metrics["bias"])


def test_a_tuned_threshold_is_part_of_it(tmp_path: Path) -> None:
    rows, target = frame(gaps=False)[NUMBERS], left(frame(gaps=False))
    tuned = FixedThresholdClassifier(LogisticRegression(max_iter=500), threshold=0.3).fit(rows, target)
    holdout = holdout_of(rows, target)
    found = reference(tuned, together(holdout, None, None)[1], holdout, predict(tuned, rows))
    assert found is not None
    assert found.threshold == 0.3


def test_why_it_is_skops_stands_in_the_version_itself(tmp_path: Path) -> None:
    one = made(case_called("gaps"), tmp_path / "bundle")
    described = (one.directory / "MLmodel").read_text()
    assert "reason: 'not as ONNX: column ''city'' is text with gaps" in described


def test_gaps_that_were_none_stay_none(tmp_path: Path) -> None:
    """Encoders tell None from NaN; requests have null for both."""
    rows = frame(gaps=True)[["city"]].astype(object)
    rows["city"] = rows["city"].where(rows["city"].notna(), None)
    estimator = make_pipeline(ColumnTransformer([("w", OneHotEncoder(), ["city"])]), LogisticRegression())
    target = (rows["city"].isna()).to_numpy()
    estimator.fit(rows, target.astype(int))
    holdout = holdout_of(rows, target.astype(int))
    packed = pack(tmp_path / "bundle", estimator, holdout, predict(estimator, rows), lambda _: None)
    assert asked(model.load(packed.directory, "m", "1", 1), rows) == target.astype(int).tolist()


def test_a_version_is_signed_where_a_key_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = make_key(tmp_path / "pair")
    (tmp_path / "trusted").mkdir()
    public.rename(tmp_path / "trusted" / "key.pem")
    monkeypatch.setenv(KEY_FILE, str(private))
    monkeypatch.setenv("VIRIDIAN_MODEL_NAME", "churn")
    monkeypatch.setenv("MLFLOW_RUN_ID", "r1")
    one = made(case_called("regression"), tmp_path / "bundle")
    trust = Trust(tmp_path / "trusted", required=True, subject=Subject("churn", "r1"))
    verify_directory(one.directory, one.packed.digest, trust)


def test_the_same_model_and_rows_make_the_same_digest(tmp_path: Path) -> None:
    case = case_called("binary, linear")
    assert made(case, tmp_path / "a").packed.digest == made(case, tmp_path / "b").packed.digest


def outputs(one: Made) -> set[str]:
    read = contents.read(one.directory)
    loaded = loader.load(read, 1)
    batch = invocations.batch(read.example or b"", model.reader(loaded.signature))
    return {output.name for output in loaded.predict(batch)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("binary, linear", {LABEL, PROBABILITIES}), ("no probabilities", {LABEL}), ("regression", {PREDICTION})],
)
def test_outputs_have_their_names(tmp_path: Path, name: str, expected: set[str]) -> None:
    assert outputs(made(case_called(name), tmp_path / "bundle")) == expected

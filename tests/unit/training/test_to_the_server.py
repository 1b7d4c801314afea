"""From `fit` to an answer: logged, registered, fetched with its digest, loaded and asked, each by its own part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import FixedThresholdClassifier

from tests.unit.training.conftest import Stage
from tests.unit.training.test_examples import broken as broken  # the fixture
from viridian import training
from viridian.api.registry import TAG_DIGEST, ModelVersion
from viridian.serving.errors import FetchFailed, ModelFailed
from viridian.serving.execution import model as serving
from viridian.serving.fetch.main import fetch, parse
from viridian.training.holdout import holdout_of
from viridian.training.judged_champion import champion_on

CANCER = load_breast_cancer()
NAMES = [str(name) for name in CANCER.feature_names]


async def registered(stage: Stage, logged: training.Logged) -> ModelVersion:
    made = await stage.registry.register(stage.experiment, logged.run_id, logged.model_uri, {TAG_DIGEST: logged.digest})
    version = await stage.registry.version(stage.experiment, made)
    assert version is not None
    return version


def fetched(version: ModelVersion, tracking_uri: str, directory: Path) -> serving.LoadedModel:
    """What the init container and then the server do with the version."""
    given = ["--model-uri", version.uri, "--model-digest", version.digest or "", "--model-dir", str(directory)]
    fetch(parse([*given, "--mlflow-uri", tracking_uri, "--termination-log", "/dev/null"], {}), {})
    return serving.load(directory, version.name, version.version, threads=1)


def ask(model: serving.LoadedModel, rows: np.ndarray) -> list[Any]:
    data = [[None if np.isnan(value) else value for value in row] for row in rows.tolist()]
    body = json.dumps({"dataframe_split": {"columns": NAMES, "data": data}}).encode()
    predictions = json.loads(model.invoke(body, ""))["predictions"]
    assert isinstance(predictions, list)
    return predictions


@pytest.mark.parametrize(
    ("estimator", "payload"),
    [
        (RandomForestClassifier(n_estimators=20, max_depth=6, random_state=1), "onnx"),
        (FixedThresholdClassifier(RandomForestClassifier(n_estimators=5, random_state=1), threshold=0.5), "skops"),
        (HistGradientBoostingClassifier(max_iter=10, random_state=1), "onnx"),
    ],
    ids=["onnx", "skops", "boosted trees"],
)
async def test_the_server_answers_as_the_estimator_does(
    stage: Stage, mlflow: Any, tmp_path: Path, estimator: Any, payload: str
) -> None:
    estimator.fit(CANCER.data[:400], CANCER.target[:400])
    logged = training.log(estimator, (CANCER.data[400:], CANCER.target[400:]), feature_names=NAMES)
    served = fetched(await registered(stage, logged), mlflow.url, tmp_path / "model")
    assert logged.payload == payload
    assert ask(served, CANCER.data[400:]) == estimator.predict(CANCER.data[400:]).tolist()


async def test_gaps_in_the_holdout_may_be_in_requests_too(stage: Stage, mlflow: Any, tmp_path: Path) -> None:
    features = CANCER.data.copy()
    features[::2, 0] = np.nan
    estimator = HistGradientBoostingClassifier(max_iter=10, random_state=1).fit(features[:400], CANCER.target[:400])
    logged = training.log(estimator, (features[400:], CANCER.target[400:]), feature_names=NAMES)
    served = fetched(await registered(stage, logged), mlflow.url, tmp_path / "model")
    assert ask(served, features[400:]) == estimator.predict(features[400:]).tolist()


async def test_another_digest_is_not_served(stage: Stage, mlflow: Any, tmp_path: Path) -> None:
    model = RandomForestClassifier(n_estimators=2, random_state=1).fit(CANCER.data[:400], CANCER.target[:400])
    logged = training.log(model, (CANCER.data[400:], CANCER.target[400:]))
    made = await stage.registry.register(
        stage.experiment, logged.run_id, logged.model_uri, {TAG_DIGEST: f"sha256:{'0' * 64}"}
    )
    version = await stage.registry.version(stage.experiment, made)
    assert version is not None
    with pytest.raises(FetchFailed, match=f"the manifest has the digest {logged.digest}"):
        fetched(version, mlflow.url, tmp_path / "model")


async def test_a_version_that_raises_is_loaded_and_then_fails_for_about_a_third(
    stage: Stage, mlflow: Any, tmp_path: Path, broken: Any
) -> None:
    """It passes the smoke prediction: nothing but traffic shows what it does."""
    stage.environment.delenv("MLFLOW_RUN_ID")
    version = await stage.registry.version(
        stage.experiment, broken.register(stage.experiment, broken.raises(), "raises")
    )
    assert version is not None
    served = fetched(version, mlflow.url, tmp_path / "model")
    failed = 0
    for row in CANCER.data:
        try:
            ask(served, row[np.newaxis])
        except ModelFailed:
            failed += 1
    assert 0.25 < failed / len(CANCER.data) < 0.35


async def test_a_slow_version_is_loaded_and_answers_soundly(
    stage: Stage, mlflow: Any, tmp_path: Path, broken: Any
) -> None:
    stage.environment.delenv("MLFLOW_RUN_ID")
    version = await stage.registry.version(
        stage.experiment, broken.register(stage.experiment, broken.slow(5.0), "slow")
    )
    assert version is not None
    served = fetched(version, mlflow.url, tmp_path / "model")
    agreed = np.mean(np.array(ask(served, CANCER.data)) == CANCER.target)
    assert agreed > 0.95


async def test_a_champion_that_raises_is_told_by_kind_and_never_by_value(stage: Stage, broken: Any) -> None:
    run_id = stage.run_id
    stage.environment.delenv("MLFLOW_RUN_ID")
    version = await stage.registry.version(
        stage.experiment, broken.register(stage.experiment, broken.raises(), "raises")
    )
    assert version is not None
    stage.environment.setenv("MLFLOW_RUN_ID", run_id)
    stage.environment.setenv("VIRIDIAN_CHAMPION_URI", version.uri)
    model = RandomForestClassifier(n_estimators=2, random_state=1).fit(CANCER.data[:400], CANCER.target[:400])
    training.log(model, (CANCER.data[400:], CANCER.target[400:]), feature_names=NAMES)
    problem = stage.report()["champion"]["problem"]
    assert problem.endswith("could not be judged: the model raises InvalidArgument for rows of the holdout")


async def test_a_champion_that_does_not_end_keeps_nobody_waiting(stage: Stage, broken: Any) -> None:
    stage.environment.delenv("MLFLOW_RUN_ID")
    version = await stage.registry.version(
        stage.experiment, broken.register(stage.experiment, broken.slow_by(10**12), "slow")
    )
    assert version is not None
    stage.environment.setenv("VIRIDIAN_CHAMPION_URI", version.uri)
    stage.environment.setenv("VIRIDIAN_CONVERSION_SECONDS", "3")
    held = holdout_of(CANCER.data[400:], CANCER.target[400:], NAMES)
    champion = champion_on(held, classifier=True)
    found, problem = champion.metrics, champion.problem
    assert found == {}
    assert problem.endswith("could not be judged: it takes longer than 5 s")

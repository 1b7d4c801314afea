"""The built-in evaluation, against a real MLflow server: versions as they are served, on rows of a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import mlflow as client
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tests.unit.training.conftest import Stage
from viridian import training
from viridian.api.evaluation import EVALUATION_ARTIFACT, parse_evaluation
from viridian.api.registry import TAG_DIGEST, TAG_EVALUATION, TAG_HOLDOUT
from viridian.training import evaluate_candidate


def rows(seed: int, count: int = 400) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": chance.normal(40, 10, count), "bought": chance.poisson(3, count).astype(float)})
    odds = 1 / (1 + np.exp(-(frame["age"] - 40) / 6 + (frame["bought"] - 3) / 1.5))
    frame["region"] = np.array(["north", "south"])[chance.integers(0, 2, count)]
    frame["churned"] = (chance.random(count) < odds).astype(int)
    return frame


def fitted(*columns: str) -> Any:
    learnt = rows(1)
    return LogisticRegression().fit(learnt[list(columns)], learnt["churned"])


def held_out(*columns: str) -> tuple[pd.DataFrame, pd.Series[Any]]:
    known = rows(2)
    return known[list(columns)], known["churned"]


@pytest.fixture
async def two_versions(stage: Stage) -> Stage:
    """A champion that looks at one column, and a candidate of this run that looks at both."""
    weak = training.log(fitted("age"), held_out("age"))
    made = await stage.registry.register(stage.experiment, weak.run_id, weak.model_uri, {TAG_DIGEST: weak.digest})
    version = await stage.registry.version(stage.experiment, made)
    assert version is not None
    await stage.another_run("r2")
    training.log(fitted("age", "bought"), held_out("age", "bought"))
    stage.environment.setenv("VIRIDIAN_CHAMPION_URI", version.uri)
    return stage


def given_rows(stage: Stage, tmp_path: Path, kind: str = "parquet") -> Path:
    """A holdout with a column that neither model knows."""
    path = tmp_path / f"holdout.{kind}"
    table = rows(3, 2000)
    if kind == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    stage.environment.setenv("VIRIDIAN_HOLDOUT", json.dumps({"uri": str(path), "label": "churned"}))
    return path


async def test_candidate_and_champion_are_compared_on_the_rows_of_a_file(two_versions: Stage, tmp_path: Path) -> None:
    stage = two_versions
    given_rows(stage, tmp_path)
    asked = {"slices": [{"column": "region"}], "constantBaseline": False}
    stage.environment.setenv("VIRIDIAN_EVALUATION", json.dumps(asked))
    assert evaluate_candidate.main([]) == 0
    report = stage.report()
    found = parse_evaluation(report["evaluation"])
    assert found is not None
    assert (found.rows, found.problems) == (2000, ())
    area = found.metrics["auc"]
    assert (area.low or 0.0) > 0.02
    assert area.candidate == pytest.approx(report["metrics"]["auc"], rel=1e-5)
    assert area.champion == pytest.approx(report["metrics"]["champion.auc"], rel=1e-5)
    assert {one.value for one in found.slices} == {"north", "south"}
    for measured in ("latency_p95", "size_bytes"):
        assert found.metrics[measured].candidate > 0
        assert (found.metrics[measured].champion or 0) > 0
    run = client.get_run(os.environ["MLFLOW_RUN_ID"])
    assert json.loads(run.data.tags[TAG_EVALUATION]) == report["evaluation"]
    assert run.data.tags[TAG_HOLDOUT] == report["holdout"] == found.holdout
    whole = client.artifacts.load_dict(f"runs:/{run.info.run_id}/{EVALUATION_ARTIFACT}")
    assert whole["metrics"]["auc"]["method"] == "DeLong"

    csv = given_rows(stage, tmp_path, "csv")
    assert evaluate_candidate.main(["--holdout", csv.as_uri()]) == 0
    again = parse_evaluation(stage.report()["evaluation"])
    assert again is not None
    assert again.metrics["auc"].candidate == pytest.approx(area.candidate, rel=1e-5)


async def test_what_cannot_be_evaluated_ends_the_stage_with_a_sentence_and_the_code_that_it_deserves(
    two_versions: Stage, tmp_path: Path
) -> None:
    stage = two_versions

    def ended(code: int, *arguments: str) -> str:
        try:
            found = evaluate_candidate.main(list(arguments))
        except training.StageEnded as end:
            found = end.exit_code
        assert found == code
        (failure,) = stage.report()["failures"]
        return str(failure)

    assert ended(1) == "no holdout is named: set VIRIDIAN_HOLDOUT, or give --holdout and --label"
    path = given_rows(stage, tmp_path, "csv")
    assert "has no column 'left' with the outcome, but 'age', 'bought'" in ended(1, "--label", "left")
    assert "cannot be read" in ended(1, "--holdout", str(tmp_path / "none.csv"))
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    assert "cannot be read" in ended(1, "--holdout", str(tmp_path / "broken.parquet"))
    table = rows(3)
    table.drop(columns="bought").to_csv(path, index=False)
    assert "the holdout has no column 'bought'" in ended(training.CANDIDATE_FAILED)
    table.loc[0, "churned"] = None
    table.to_csv(path, index=False)
    assert ended(training.DATA_NOT_GOOD_ENOUGH) == "1 rows of the holdout have no churned"
    stage.environment.setenv("VIRIDIAN_HOLDOUT", "{")
    assert "VIRIDIAN_HOLDOUT cannot be read" in ended(1)


async def test_a_champion_that_cannot_be_judged_is_a_problem_and_loses_nothing(
    two_versions: Stage, tmp_path: Path
) -> None:
    given_rows(two_versions, tmp_path)
    two_versions.environment.setenv("VIRIDIAN_CHAMPION_URI", "mlflow-artifacts:/none")
    assert evaluate_candidate.main([]) == 0
    report = two_versions.report()
    assert "could not be judged" in report["champion"]["problem"]
    assert "champion" not in report["evaluation"]["metrics"]["auc"]


def test_labels_are_compared_as_the_model_writes_them() -> None:
    texts, numbers = np.array(["0", "1"]), np.array([0, 1])
    assert evaluate_candidate.comparable(np.array([1.0, 0.0]), texts).tolist() == ["1", "0"]
    assert evaluate_candidate.comparable(numbers, numbers) is numbers
    assert evaluate_candidate.comparable(texts, texts) is texts

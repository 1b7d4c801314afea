"""Models that a script logged with MLflow alone become bundles; against a real MLflow server."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow as client
import mlflow.sklearn
import msgspec
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.unit.training.conftest import Stage
from viridian.api.profile import PROFILE_PATH, ReferenceProfile
from viridian.api.registry import TAG_DIGEST
from viridian.serving.bundle.integrity import verify_directory
from viridian.serving.bundle.trusted_keys import Trust
from viridian.serving.execution import model as serving
from viridian.training import tracking
from viridian.training.adopt import adopt, main
from viridian.training.signing import KEY_FILE, make_key
from viridian.training.stage_exit import CandidateFailed

CHANCE = np.random.default_rng(3)
ROWS = pd.DataFrame(
    {
        "an age": CHANCE.normal(40, 10, 120),
        "visits": CHANCE.integers(0, 9, 120),
        "city": np.array(["Lyon", "Kiel", "Brno"], dtype=object)[CHANCE.integers(0, 3, 120)],
    }
)
LEFT = (ROWS["an age"] + 5 * (ROWS["city"] == "Kiel") > 42).astype(int)
HELD = ROWS[80:].assign(left=LEFT[80:])
NUMBERS = ROWS[["an age", "visits"]]


def mixed() -> Any:
    encoder = ColumnTransformer(
        [("n", StandardScaler(), ["an age", "visits"]), ("w", OneHotEncoder(handle_unknown="ignore"), ["city"])]
    )
    return make_pipeline(encoder, LogisticRegression()).fit(ROWS[:80], LEFT[:80])


@contextmanager
def script(stage: Stage) -> Iterator[None]:
    """The process of a script that knows MLflow and nothing else, in the run that it is given."""
    with warnings.catch_warnings(), client.start_run(run_id=stage.run_id):
        warnings.simplefilter("ignore")
        yield


def logged(stage: Stage, model: Any, **options: Any) -> None:
    # Named, or MLflow would find out by loading the model in another process.
    requirements = {"pip_requirements": ["scikit-learn"], "serialization_format": "skops"}
    with script(stage):
        mlflow.sklearn.log_model(model, name="model", **{**requirements, **options})


def log_holdout(stage: Stage, table: pd.DataFrame) -> None:
    with script(stage):
        client.log_table(table, "holdout.json")


async def adopted(stage: Stage, tmp_path: Path) -> Path:
    """What the stage left, where an operator finds it."""
    uri = (await stage.run()).model_uri
    assert uri is not None
    return tracking.download(uri, tmp_path / "adopted")


def asked(directory: Path, rows: pd.DataFrame) -> list[Any]:
    body = json.dumps({"dataframe_records": rows.to_dict("records")})
    return list(json.loads(serving.load(directory, "m", "1", 1).invoke(body.encode(), ""))["predictions"])


async def test_with_a_logged_table_it_is_judged_and_converted_and_profiled(stage: Stage, tmp_path: Path) -> None:
    model = mixed()
    logged(stage, model, input_example=ROWS[:2])
    log_holdout(stage, HELD)
    said = adopt(stage.run_id)
    run, directory = await stage.run(), await adopted(stage, tmp_path)
    assert said == f"{run.model_uri} as onnx: {run.tags[TAG_DIGEST]}"
    verify_directory(directory, run.tags[TAG_DIGEST])
    profile = msgspec.json.decode((directory / PROFILE_PATH).read_bytes(), type=ReferenceProfile)
    assert (list(profile.profile.features), profile.holdout_rows) == (list(ROWS.columns), 40)
    assert run.metrics["accuracy"] == profile.metrics["accuracy"] == pytest.approx(model.score(ROWS[80:], LEFT[80:]))
    assert stage.report()["model"] == {"uri": run.model_uri, "digest": run.tags[TAG_DIGEST]}
    assert asked(directory, ROWS[80:]) == model.predict(ROWS[80:]).tolist()


async def test_a_data_set_for_evaluation_does_as_well(stage: Stage, tmp_path: Path) -> None:
    HELD.drop(columns="city").to_csv(tmp_path / "held out.csv", index=False)
    model = RandomForestClassifier(5, random_state=1).fit(NUMBERS[:80], LEFT[:80])
    logged(stage, model, skops_trusted_types=["sklearn.tree._tree.Tree"])
    with script(stage):
        table = HELD.drop(columns="city")
        seen = client.data.from_pandas(NUMBERS, source=str(tmp_path / "seen.csv"))
        held = client.data.from_pandas(table, source=str(tmp_path / "held out.csv"), targets="left")
        client.log_input(seen, context="training")
        client.log_input(held, context="holdout")
    assert " as onnx: " in adopt(stage.run_id)
    assert asked(await adopted(stage, tmp_path), NUMBERS[80:]) == model.predict(NUMBERS[80:]).tolist()


async def test_without_a_holdout_it_is_sealed_and_signed_as_it_is(stage: Stage, tmp_path: Path) -> None:
    private, public = make_key(tmp_path / "pair")
    (tmp_path / "trusted").mkdir()
    public.rename(tmp_path / "trusted" / "key.pem")
    stage.environment.setenv(KEY_FILE, str(private))
    model = HistGradientBoostingClassifier(max_iter=3).fit(NUMBERS[:80], LEFT[:80])
    trusted = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
    logged(stage, model, skops_trusted_types=trusted, input_example=NUMBERS[:2])
    main(["--run", stage.run_id])
    run, directory = await stage.run(), await adopted(stage, tmp_path)
    verify_directory(directory, run.tags[TAG_DIGEST], Trust(tmp_path / "trusted", required=True))
    assert run.tags["viridian.payload-reason"].startswith("no holdout to compare answers on")
    assert "reason: 'no holdout to compare" in (directory / "MLmodel").read_text()
    assert asked(directory, NUMBERS[80:]) == model.predict(NUMBERS[80:]).tolist()


async def test_columns_are_told_by_the_input_example_where_there_is_no_signature(stage: Stage, tmp_path: Path) -> None:
    model = mixed()
    logged(stage, model, input_example=ROWS[:2], signature=False)
    adopt(stage.run_id)
    directory = await adopted(stage, tmp_path)
    inputs = json.loads(serving.load(directory, "m", "1", 1).metadata)["inputs"]
    assert [(column["name"], column["datatype"]) for column in inputs] == [
        ("an age", "FP64"), ("visits", "INT64"), ("city", "BYTES"),
    ]  # fmt: skip
    assert asked(directory, ROWS[80:]) == model.predict(ROWS[80:]).tolist()


async def test_the_newest_model_counts_and_a_bundle_stays_as_it_is(stage: Stage) -> None:
    logged(stage, GaussianNB().fit(NUMBERS, LEFT))
    logged(stage, mixed(), input_example=ROWS[:2])
    log_holdout(stage, HELD)
    adopt(stage.run_id)
    before = (await stage.run()).model_uri
    assert adopt(stage.run_id) == f"{before} is a bundle already"
    assert (await stage.run()).model_uri == before


async def test_a_model_of_a_matrix_needs_to_be_told_the_target(stage: Stage, tmp_path: Path) -> None:
    model = LogisticRegression().fit(NUMBERS[:80].to_numpy(), LEFT[:80])
    logged(stage, model)
    log_holdout(stage, HELD.drop(columns="city"))
    with pytest.raises(CandidateFailed):
        adopt(stage.run_id)
    assert "Say it by VIRIDIAN_TARGET" in stage.report()["failures"][0]
    stage.environment.setenv("VIRIDIAN_TARGET", "left")
    main(["--run", stage.run_id])
    assert asked(await adopted(stage, tmp_path), NUMBERS[80:]) == model.predict(NUMBERS[80:].to_numpy()).tolist()


class Homemade(GaussianNB):  # type: ignore[misc]
    """Nobody listed it."""


class TestRefusals:
    async def failure(self, stage: Stage) -> str:
        with pytest.raises(CandidateFailed):
            adopt(stage.run_id)
        assert (await stage.run()).model_uri is None or TAG_DIGEST not in (await stage.run()).tags
        return str(stage.report()["failures"][0])

    async def test_a_run_without_a_model(self, stage: Stage) -> None:
        said = await self.failure(stage)
        assert said.endswith("mlflow.sklearn.log_model(model, name='model', serialization_format='skops')")

    @pytest.mark.parametrize("how", ["pickle", "cloudpickle"])
    async def test_a_pickle_with_what_to_write_instead(self, stage: Stage, how: str) -> None:
        logged(stage, GaussianNB().fit(NUMBERS, LEFT), serialization_format=how)
        said = await self.failure(stage)
        assert "is a pickle, which runs code when it is loaded: refused" in said
        assert "serialization_format='skops'" in said

    async def test_a_list_of_types_that_the_model_brings_itself(self, stage: Stage) -> None:
        (untrusted,) = skops.io.get_untrusted_types(data=skops.io.dumps(Homemade().fit(NUMBERS, LEFT)))
        logged(stage, Homemade().fit(NUMBERS, LEFT), skops_trusted_types=[untrusted])
        assert f"builds types that are not trusted: {untrusted}" in await self.failure(stage)

    async def test_a_holdout_that_lacks_a_feature(self, stage: Stage) -> None:
        logged(stage, mixed(), input_example=ROWS[:2])
        log_holdout(stage, HELD.drop(columns="visits"))
        assert await self.failure(stage) == "the holdout has no column 'visits'"

"""One line after `fit`, against a real MLflow server: what was logged is what an operator can register and serve."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from pathlib import Path

import mlflow as client
import msgspec
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.support.mlflow_server import MlflowServer
from tests.unit.training.conftest import Stage
from viridian import training
from viridian.api import manifest
from viridian.api.profile import PROFILE_PATH, ReferenceProfile
from viridian.api.registry import TAG_DIGEST, TAG_HOLDOUT, RunStatus
from viridian.ports.mlflow import MlflowRegistry
from viridian.training.profile import sketch

CANCER = load_breast_cancer()
ROWS = slice(0, 400)
HELD = slice(400, None)


def forest(trees: int = 5, depth: int = 3) -> RandomForestClassifier:
    model = RandomForestClassifier(n_estimators=trees, max_depth=depth, random_state=1)
    return model.fit(CANCER.data[ROWS], CANCER.target[ROWS])


def without_conversion() -> FixedThresholdClassifier:
    """ONNX cannot express it; in tests, that is what it is for."""
    return FixedThresholdClassifier(forest(), threshold=0.5).fit(CANCER.data[ROWS], CANCER.target[ROWS])


def held_out() -> tuple[np.ndarray, np.ndarray]:
    return CANCER.data[HELD], CANCER.target[HELD]


async def registered(stage: Stage, logged: training.Logged) -> str:
    """What the operator does with it; where the init container then downloads from."""
    made = await stage.registry.register(stage.experiment, logged.run_id, logged.model_uri, {TAG_DIGEST: logged.digest})
    version = await stage.registry.version(stage.experiment, made)
    assert version is not None
    assert version.digest == logged.digest
    return version.uri


def through_the_proxy(mlflow: MlflowServer, uri: str) -> dict[str, bytes]:
    """Every file of a version, as a program without MLflow downloads it."""
    root = uri.removeprefix("mlflow-artifacts:/")

    def get(path: str, query: str = "") -> bytes:
        url = f"{mlflow.url}/api/2.0/mlflow-artifacts/artifacts{path}{query}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  the test's own server
            return bytes(answer.read())

    def walk(folder: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for entry in json.loads(get("", f"?path={root}/{folder}".rstrip("/")))["files"]:
            path = f"{folder}/{entry['path']}".lstrip("/")
            found |= walk(path) if entry["is_dir"] else {path: get(f"/{root}/{path}")}
        return found

    return walk("")


class TestInsideTheOperator:
    async def test_the_run_made_beforehand_carries_all_of_it(self, stage: Stage) -> None:
        logged = training.log(forest(), held_out(), params={"trees": 5}, metrics={"fairness": 0.5})
        run = await stage.run()
        assert logged.run_id == stage.run_id
        assert run.model_uri == logged.model_uri
        assert run.model_uri.startswith("models:/m-")
        assert dict(run.metrics) == dict(logged.metrics)
        assert set(run.metrics) == {"auc", "accuracy", "f1", "fairness"}
        assert dict(run.params) == {"trees": "5"}
        assert (run.tags[TAG_DIGEST], run.tags[TAG_HOLDOUT]) == (logged.digest, logged.holdout)

    async def test_where_the_script_names_no_parameters_those_of_the_estimator_are_logged_once(
        self, stage: Stage
    ) -> None:
        training.log(forest(trees=5), held_out())
        logged = dict((await stage.run()).params)
        assert (logged["n_estimators"], logged["max_depth"], logged["max_samples"]) == ("5", "3", "None")
        training.log(forest(trees=6), held_out())
        assert (await stage.run()).params == logged, "MLflow would refuse other values for the same run"

    async def test_no_parameters_at_all_are_logged_when_none_are_asked_for(self, stage: Stage) -> None:
        training.log(forest(), held_out(), params={})
        assert (await stage.run()).params == {}

    async def test_the_run_stays_open_for_whoever_made_it(self, stage: Stage) -> None:
        training.log(forest(), held_out())
        assert (await stage.run()).status is RunStatus.RUNNING

    async def test_a_script_that_used_the_run_before_logs_to_the_same(self, stage: Stage) -> None:
        """MLflow takes MLFLOW_RUN_ID out of the environment when it is used."""
        stage.environment.setattr(training, "GIVEN_RUN", stage.run_id)
        with client.start_run():
            client.log_param("mine", "yes")
        assert training.log(forest(), held_out()).run_id == stage.run_id

    async def test_the_report_says_the_same(self, stage: Stage) -> None:
        logged = training.log(forest(), held_out())
        assert stage.report() == {
            "metrics": dict(logged.metrics),
            "holdout": logged.holdout,
            "model": {"uri": logged.model_uri, "digest": logged.digest},
            "failures": [],
        }

    async def test_what_was_registered_can_be_downloaded_and_verified(self, stage: Stage, mlflow: MlflowServer) -> None:
        logged = training.log(forest(), held_out())
        files = through_the_proxy(mlflow, await registered(stage, logged))
        digests = [(path, hashlib.sha256(content).hexdigest()) for path, content in files.items()]
        manifest.verify(files[manifest.MANIFEST_PATH], digests, expected=logged.digest)
        assert json.loads(files["viridian/holdout.json"])["digest"] == logged.holdout
        assert {"MLmodel", "model.onnx", "input_example.json", "requirements.txt"} <= set(files)

    async def test_the_profile_is_of_the_training_rows_where_they_are_given(
        self, stage: Stage, mlflow: MlflowServer
    ) -> None:
        seen = CANCER.data[ROWS], CANCER.target[ROWS]
        logged = training.log(forest(), held_out(), training=seen, feature_names=CANCER.feature_names)
        files = through_the_proxy(mlflow, await registered(stage, logged))
        profile = msgspec.json.decode(files[PROFILE_PATH], type=ReferenceProfile)
        assert (profile.profile.sampled, profile.profile.rows) == (400, 169)
        assert profile.profile.features["mean area"] == sketch(seen[0][:, 3])
        assert profile.metrics["auc"] == pytest.approx(logged.metrics["auc"], abs=1e-6)

    async def test_the_same_model_on_the_same_rows_has_the_same_digest(self, stage: Stage) -> None:
        first, second = training.log(forest(), held_out()), training.log(forest(), held_out())
        assert first.digest == second.digest
        assert first.model_uri != second.model_uri
        assert (await stage.run()).model_uri == second.model_uri

    async def test_the_model_goes_by_the_name_it_is_trained_for(self, stage: Stage) -> None:
        stage.environment.setenv("VIRIDIAN_MODEL_NAME", "team/churn")
        logged = training.log(forest(), held_out())
        assert client.get_logged_model(logged.model_uri.removeprefix("models:/")).name == "team-churn"


class TestTheChampion:
    async def test_is_judged_on_the_same_rows(self, stage: Stage) -> None:
        weak = training.log(forest(trees=1, depth=1), held_out())
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", await registered(stage, weak))
        strong = training.log(forest(trees=50, depth=8), held_out())
        assert strong.metrics["champion.auc"] == pytest.approx(weak.metrics["auc"], abs=1e-4)
        assert strong.metrics["champion.accuracy"] == weak.metrics["accuracy"]
        assert strong.metrics["auc"] > strong.metrics["champion.auc"]
        assert stage.report()["metrics"]["champion.auc"] == strong.metrics["champion.auc"]

    async def test_may_be_of_another_format(self, stage: Stage) -> None:
        champion = training.log(without_conversion(), held_out())
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", champion.model_uri)
        challenger = training.log(forest(), held_out())
        assert (champion.payload, challenger.payload) == ("skops", "onnx")
        assert challenger.metrics["champion.auc"] == pytest.approx(champion.metrics["auc"])

    async def test_takes_its_own_columns_by_name(self, stage: Stage) -> None:
        few = list(CANCER.feature_names[[7, 3, 0]])
        small = LogisticRegression().fit(CANCER.data[ROWS][:, [7, 3, 0]], CANCER.target[ROWS])
        champion = training.log(small, (CANCER.data[HELD][:, [7, 3, 0]], CANCER.target[HELD]), feature_names=few)
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", champion.model_uri)
        challenger = training.log(forest(), held_out(), feature_names=CANCER.feature_names)
        assert challenger.metrics["champion.auc"] == pytest.approx(champion.metrics["auc"], abs=1e-4)

    @pytest.mark.parametrize("uri", ["models:/m-00000000000000000000000000000000", "file:///nowhere/at/all"])
    async def test_that_cannot_be_judged_loses_nothing(self, stage: Stage, uri: str) -> None:
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", uri)
        logged = training.log(forest(), held_out())
        assert set(logged.metrics) == {"auc", "accuracy", "f1"}
        assert stage.report()["champion"]["problem"].startswith(f"the champion {uri} could not be judged: ")
        assert (await stage.run()).tags["viridian.champion-problem"] == stage.report()["champion"]["problem"]

    @pytest.mark.parametrize("uri", ["http://127.0.0.1:1/m", "mlflow-artifacts://127.0.0.1:1/1/models/m-1/artifacts"])
    async def test_on_another_host_is_not_asked_for_there(self, stage: Stage, uri: str) -> None:
        """MLflow's client would show that host the credentials of the tracking server."""
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", uri)
        stage.environment.setenv("MLFLOW_TRACKING_TOKEN", "PLANTED")
        training.log(forest(), held_out())
        problem = stage.report()["champion"]["problem"]
        assert "it lies on http://127.0.0.1:1, not on the tracking server http://127.0.0.1:" in problem

    async def test_with_other_columns_is_told(self, stage: Stage) -> None:
        champion = training.log(forest(), held_out(), feature_names=CANCER.feature_names)
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", champion.model_uri)
        training.log(forest(), held_out(), feature_names=[f"other {place}" for place in range(30)])
        assert stage.report()["champion"]["problem"].endswith("the holdout has no column 'mean radius'")

    async def test_is_never_unpickled(self, stage: Stage, tmp_path: Path) -> None:
        (tmp_path / "pickled").mkdir()
        (tmp_path / "pickled" / "model.pkl").write_bytes(b"\x80\x04.")
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", (tmp_path / "pickled").as_uri())
        training.log(forest(), held_out())
        assert "pickle, which runs code when it is loaded: refused" in stage.report()["champion"]["problem"]

    async def test_that_was_tampered_with_is_not_judged(
        self, stage: Stage, mlflow: MlflowServer, tmp_path: Path
    ) -> None:
        for path, content in through_the_proxy(
            mlflow, await registered(stage, training.log(forest(), held_out()))
        ).items():
            (tmp_path / "bundle" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "bundle" / path).write_bytes(content + b" " if path == "model.onnx" else content)
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", (tmp_path / "bundle").as_uri())
        training.log(forest(), held_out())
        assert stage.report()["champion"]["problem"].endswith("files differ from the manifest: 'model.onnx'")


class TestThePayload:
    async def test_is_onnx_when_parity_holds(self, stage: Stage) -> None:
        logged = training.log(forest(), held_out())
        assert logged.payload == "onnx"
        assert "viridian.payload-reason" not in (await stage.run()).tags

    async def test_is_skops_when_there_is_no_conversion(self, stage: Stage) -> None:
        assert training.log(without_conversion(), held_out()).payload == "skops"
        assert (await stage.run()).tags["viridian.payload-reason"].startswith("not as ONNX: ")

    async def test_has_64_bits_where_32_are_too_few(self, stage: Stage) -> None:
        """32-bit numbers cannot tell these two customers apart, and 64-bit numbers can."""
        features, target = 1e8 + np.array([[0.0], [1.0]] * 20), np.array([0, 1] * 20)
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, target)
        logged = training.log(model, (features, target))
        assert (logged.payload, logged.metrics["accuracy"]) == ("onnx", 1.0)
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", logged.model_uri)
        assert training.log(model, (features, target)).metrics["champion.accuracy"] == 1.0

    async def test_is_skops_when_parity_fails(self, stage: Stage) -> None:
        """The line needs more than 32 bits, and trees round to 32 bits themselves: no graph at hand does both."""
        features, target = 1e8 + np.array([[8.0], [16.0]] * 20), np.array([0, 1] * 20)
        line = make_pipeline(StandardScaler(), LogisticRegression())
        both = [("line", line), ("tree", DecisionTreeClassifier())]
        model = VotingClassifier(both, voting="soft", flatten_transform=False).fit(features, target)
        logged = training.log(model, (1e8 + np.array([[8.0], [16.0], [12.0]]), np.array([0, 1, 1])))
        reason = (await stage.run()).tags["viridian.payload-reason"]
        assert (logged.payload, logged.metrics["accuracy"]) == ("skops", 1.0)
        assert reason.startswith("not as ONNX: a probability differs by 0.")

    async def test_is_onnx_for_a_lone_column_too(self, stage: Stage) -> None:
        model = LogisticRegression().fit(CANCER.data[ROWS, :1], CANCER.target[ROWS])
        held = CANCER.data[HELD, :1], CANCER.target[HELD]
        assert training.log(model, held, feature_names=["mean radius"]).payload == "onnx"

    async def test_that_no_server_would_load_rejects_the_candidate(self, stage: Stage) -> None:
        class Homemade(LogisticRegression):  # type: ignore[misc]
            """No converter knows it, and no list of trusted types has it."""

        model = Homemade().fit(CANCER.data[ROWS, :3], CANCER.target[ROWS])
        with pytest.raises(training.CandidateFailed) as ended:
            training.log(model, (CANCER.data[HELD, :3], CANCER.target[HELD]))
        assert ended.value.code == training.CANDIDATE_FAILED
        (failure,) = stage.report()["failures"]
        assert failure.startswith("no server would run it as it is: model.skops builds types that are not trusted: ")
        assert "; not as ONNX: MissingShapeCalculator: " in failure

    async def test_may_be_a_regressor(self, stage: Stage) -> None:
        data = load_diabetes()
        model = Ridge().fit(data.data[:300], data.target[:300])
        logged = training.log(model, (data.data[300:], data.target[300:]), feature_names=data.feature_names)
        assert logged.payload == "onnx"
        assert set(logged.metrics) == {"rmse", "r2"}
        assert logged.metrics["rmse"] < np.std(data.target[300:])

    async def test_may_know_many_classes_by_words(self, stage: Stage) -> None:
        data = load_iris()
        words = data.target_names[data.target]
        model = LogisticRegression(max_iter=1000).fit(data.data[::2], words[::2])
        logged = training.log(model, (data.data[1::2], words[1::2]))
        assert logged.payload == "onnx"
        assert logged.metrics["auc"] > 0.9
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", logged.model_uri)
        again = training.log(model, (data.data[1::2], words[1::2]))
        assert again.metrics["champion.f1"] == pytest.approx(again.metrics["f1"])


class TestRefusals:
    async def test_a_holdout_of_one_class_is_not_good_enough(self, stage: Stage) -> None:
        benign = CANCER.target == 1
        with pytest.raises(training.DataNotGoodEnough) as ended:
            training.log(forest(), (CANCER.data[benign], CANCER.target[benign]))
        assert ended.value.code == training.DATA_NOT_GOOD_ENOUGH
        assert stage.report()["failures"] == ["every row of the holdout has the label 1: nothing can be compared"]

    async def test_something_that_predicts_nothing_known(self, stage: Stage) -> None:
        class Dice:
            def predict(self, features: np.ndarray) -> np.ndarray:
                return np.zeros(len(features))

        with pytest.raises(TypeError, match="Dice is neither a classifier nor a regressor"):
            training.log(Dice(), held_out())


class TestOutsideTheOperator:
    @pytest.fixture
    def alone(self, stage: Stage) -> Stage:
        stage.environment.delenv("MLFLOW_RUN_ID")
        stage.environment.delenv("VIRIDIAN_TERMINATION_LOG")
        return stage

    async def test_a_new_run_is_made_and_finished(self, alone: Stage, mlflow: MlflowServer) -> None:
        logged = training.log(forest(), held_out())
        assert logged.run_id != alone.run_id
        async with MlflowRegistry(mlflow.url) as registry:
            run = await registry.run(logged.run_id)
        assert run is not None
        assert (run.status, run.model_uri) == (RunStatus.FINISHED, logged.model_uri)
        assert not alone.termination_log.exists()

    async def test_the_scripts_own_run_is_used(self, alone: Stage) -> None:
        with client.start_run() as run:
            client.log_param("mine", "yes")
            logged = training.log(forest(), held_out())
        assert logged.run_id == run.info.run_id
        read = await alone.registry.run(logged.run_id)
        assert read is not None
        assert dict(read.params) == {"mine": "yes"}

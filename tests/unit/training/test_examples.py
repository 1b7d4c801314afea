"""What users copy runs, and the bad versions are bad in the way that their README says."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import onnxruntime
import pytest

from tests.unit.training.conftest import Stage
from viridian.serving.bundle import contents as served_bundle
from viridian.serving.data.batch import Batch
from viridian.serving.runtimes import loader
from viridian.training import bundle
from viridian.training.payload import Payload
from viridian.training.served_model import LoadedVersion

CHURN = Path(__file__).parents[3] / "examples" / "churn"


@pytest.fixture(scope="module")
def broken() -> ModuleType:
    spec = importlib.util.spec_from_file_location("broken", CHURN / "broken.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["broken"] = module
    spec.loader.exec_module(module)
    return module


def quiet(payload: Payload) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # each of the failures below is expected
    return onnxruntime.InferenceSession(payload.content, options)


def failure(session: Any, row: Any) -> str | None:
    try:
        session.run(None, {"input": row})
    except Exception as error:
        return str(error)
    return None


class TestTrain:
    def train(self, stage: Stage, **variables: str) -> dict[str, Any]:
        for name, value in variables.items():
            stage.environment.setenv(name, value)
        ended = subprocess.run([sys.executable, str(CHURN / "train.py")], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return stage.report()

    async def test_two_environments_make_a_weaker_and_a_better_version(self, stage: Stage) -> None:
        weak = self.train(stage, TREES="1", MAX_DEPTH="1")
        stage.environment.setenv("VIRIDIAN_CHAMPION_URI", weak["model"]["uri"])
        await stage.another_run("r2")
        better = self.train(stage, TREES="100", MAX_DEPTH="8")
        assert better["metrics"]["auc"] > better["metrics"]["champion.auc"] + 0.05
        assert better["holdout"] == weak["holdout"]
        run = await stage.run()
        assert run.tags["viridian.payload"] == "onnx"
        assert dict(run.params) == {"trees": "1", "max_depth": "1"}


class TestRaises:
    def test_it_fails_for_about_a_third_of_the_rows(self, broken: ModuleType) -> None:
        rows, session = broken.rows().matrix.astype("float32"), quiet(broken.raises())
        failures = [failure(session, rows[place : place + 1]) for place in range(len(rows))]
        told = [message for message in failures if message]
        assert all("indices element out of data bounds" in message for message in told)
        assert 0.25 < len(told) / len(rows) < 0.35

    def test_where_it_answers_it_answers_soundly(self, broken: ModuleType) -> None:
        rows = broken.rows().matrix.astype("float32")
        small = rows[rows[:, broken.AREA_COLUMN] < broken.SMALL_AREA]
        spoilt, sound = (quiet(payload).run(None, {"input": small}) for payload in (broken.raises(), broken.honest()))
        assert (spoilt[0] == sound[0]).all()
        assert abs(spoilt[1] - sound[1]).max() < 1e-6

    def test_it_passes_the_example_that_it_ships_with(self, broken: ModuleType, tmp_path: Path) -> None:
        served = load(broken, broken.raises(), tmp_path)
        matrix = broken.rows().matrix
        assert len(served.predict(Batch(rows=1, matrix=matrix[:1]))[0].values) == 1
        large = matrix[matrix[:, broken.AREA_COLUMN] > 1000][:1]
        with pytest.raises(Exception, match="out of data bounds"):
            served.predict(Batch(rows=1, matrix=large))


class TestSlow:
    def test_its_time_goes_into_a_loop_that_answers_soundly(self, broken: ModuleType, tmp_path: Path) -> None:
        payload = broken.slow(20.0)
        graph = onnx.load_from_string(payload.content).graph
        rounds = next(onnx.numpy_helper.to_array(value) for value in graph.initializer if value.name == "rounds")
        assert "Loop" in {node.op_type for node in graph.node}
        assert rounds > 100
        served = load(broken, payload, tmp_path)
        matrix = broken.rows().matrix[:1]
        sound = quiet(broken.honest()).run(None, {"input": matrix.astype("float32")})
        assert (served.predict(Batch(rows=1, matrix=matrix))[1].values == sound[1]).all()

    def test_more_milliseconds_are_more_rounds(self, broken: ModuleType) -> None:
        sizes = []
        for rounds in (10, 1000):
            graph = onnx.load_from_string(broken.slow_by(rounds).content).graph
            sizes.append(next(onnx.numpy_helper.to_array(v).item() for v in graph.initializer if v.name == "rounds"))
        assert sizes == [10, 1000]


class TestRegistering:
    @pytest.fixture(autouse=True)
    def no_run_made_beforehand(self, stage: Stage) -> None:
        stage.environment.delenv("MLFLOW_RUN_ID")

    async def test_both_are_versions_with_a_digest_and_no_alias(
        self, stage: Stage, broken: ModuleType, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = stage.experiment
        broken.main(["--model", name, "--milliseconds", "5"])
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        assert [(line["kind"], line["version"]) for line in told] == [("raises", "1"), ("slow", "2")]
        for number in ("1", "2"):
            version = await stage.registry.version(name, number)
            assert version is not None
            assert version.digest is not None
            assert version.uri.startswith("mlflow-artifacts:/")
        model = await stage.registry.model(name)
        assert model is not None
        assert dict(model.aliases) == {}

    async def test_one_alone_is_shipped_when_asked(self, stage: Stage, broken: ModuleType) -> None:
        name = stage.experiment
        broken.main(["--model", name, "--only", "raises", "--alias", "candidate"])
        model = await stage.registry.model(name)
        assert model is not None
        assert dict(model.aliases) == {"candidate": "1"}


def load(broken: ModuleType, payload: Payload, directory: Path) -> loader.ModelRuntime:
    """The bundle in the server's own runtime, after its manifest was verified."""
    bundle.write(directory / "bundle", payload, broken.rows(), {})
    bundle.seal(directory / "bundle")
    LoadedVersion(directory / "bundle")
    return loader.load(served_bundle.read(directory / "bundle"), threads=1)


class TestUsers:
    def test_users_ask_for_rows_that_a_server_understands_and_count_its_answers(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        spec = importlib.util.spec_from_file_location("users", CHURN / "users.py")
        assert spec is not None
        assert spec.loader is not None
        users = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(users)
        asked: list[bytes] = []

        def answered(_: str, body: bytes) -> int:
            asked.append(body)
            if len(asked) > 2 * users.RATE:
                raise KeyboardInterrupt
            return 500 if len(asked) % users.RATE == 0 else 200

        monkeypatch.setattr(users, "status_of", answered)
        monkeypatch.setattr(users.time, "sleep", lambda _: None)
        monkeypatch.setattr(sys, "argv", ["users.py", "http://churn:8080/invocations"])
        with pytest.raises(KeyboardInterrupt):
            users.main()
        assert capsys.readouterr().out.splitlines() == 2 * [str({200: users.RATE - 1, 500: 1})]
        table = json.loads(asked[0])["dataframe_split"]
        assert [len(table["columns"]), *map(len, table["data"])] == [30, 30]

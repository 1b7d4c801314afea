"""Comet inside a training Job, offline, beside a real MLflow server."""

from __future__ import annotations

import json
import zipfile

import pytest

from tests.support.mlflow_server import MlflowServer
from tests.support.stack.systems import named
from tests.support.stack.trained_run import TrainedRun, trained

SYSTEM = named("comet")


@pytest.fixture(scope="module")
def result(mlflow: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return trained(SYSTEM, mlflow.url, tmp_path_factory.mktemp("comet"))


def archive(result: TrainedRun) -> str:
    """All messages of the experiment, as they would be uploaded."""
    (file,) = result.folder.rglob(f"{result.run.run_id}.zip")
    with zipfile.ZipFile(file) as found:
        assert json.loads(found.read("experiment.json"))["offline_id"] == result.run.run_id
        return found.read("messages.json").decode()


def test_the_offline_experiment_has_the_key_of_the_mlflow_run_and_its_metrics(result: TrainedRun) -> None:
    payloads = [json.loads(line)["payload"] for line in archive(result).splitlines()]
    metrics = {one["metric"]["metricName"]: one["metric"]["metricValue"] for one in payloads if one.get("metric")}
    assert metrics["auc"] == pytest.approx(result.run.metrics["auc"])
    assert str(result.run.model_uri) in archive(result)


def test_the_model_version_leads_to_the_experiment(result: TrainedRun) -> None:
    assert result.version.run_id == result.run.run_id
    assert result.run.tags["comet.experiment"] == result.run.run_id


def test_neither_packages_nor_environment_are_in_what_would_be_sent(result: TrainedRun) -> None:
    kinds = {json.loads(line)["type"] for line in archive(result).splitlines()}
    assert not {"installed_packages", "os_packages", "system_details", "git_metadata"} & kinds
    assert "VIRIDIAN_RUN_ID" not in archive(result)

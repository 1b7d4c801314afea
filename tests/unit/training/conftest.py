"""A stage's surroundings: a real MLflow server, a run made beforehand, and a place for the report."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.mlflow_server import MlflowServer
from viridian.api.registry import TrainingRun
from viridian.ports.mlflow import MlflowRegistry
from viridian.training.used_resources import IN_A_POD


@dataclass(frozen=True)
class Stage:
    """What the operator would have prepared, and what it would read afterwards."""

    registry: MlflowRegistry
    experiment: str
    run_id: str
    termination_log: Path
    environment: pytest.MonkeyPatch

    def report(self) -> dict[str, Any]:
        document = json.loads(self.termination_log.read_text())
        assert isinstance(document, dict)
        return document

    async def another_run(self, key: str) -> None:
        """The next run of the policy begins."""
        run = await self.registry.create_run(self.experiment, key, {})
        self.environment.setenv("MLFLOW_RUN_ID", run.run_id)

    async def run(self) -> TrainingRun:
        run = await self.registry.run(self.run_id)
        assert run is not None
        return run


@pytest.fixture(autouse=True)
def outside_of_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have no usage, wherever the tests run."""
    monkeypatch.delenv(IN_A_POD, raising=False)


@pytest.fixture
async def stage(
    mlflow: MlflowServer, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    experiment = f"stage-{request.node.name}"
    async with MlflowRegistry(mlflow.url) as registry:
        run = await registry.create_run(experiment, "r1", {})
        monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.url)
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", experiment)
        monkeypatch.setenv("MLFLOW_RUN_ID", run.run_id)
        monkeypatch.setenv("VIRIDIAN_TERMINATION_LOG", str(tmp_path / "termination-log"))
        monkeypatch.delenv("VIRIDIAN_CHAMPION_URI", raising=False)
        yield Stage(registry, experiment, run.run_id, tmp_path / "termination-log", monkeypatch)

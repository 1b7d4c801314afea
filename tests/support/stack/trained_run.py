"""An example's training on a real MLflow server: the run is made before it, and its model is registered after it."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.stack.environment import environment
from tests.support.stack.stage_run import StackRun
from tests.support.stack.systems import StackSystem
from viridian.api.registry import ModelVersion, TrainingRun
from viridian.ports.mlflow import MlflowRegistry


@dataclass(frozen=True)
class TrainedRun:
    """What training has left, as the operator's port to MLflow reads it."""

    system: StackSystem
    folder: Path
    """With the volume of the run below it."""
    run: TrainingRun
    version: ModelVersion

    def read_by_the_system(self, text: str, file: Path) -> str:
        """What a program prints that reads the file with the system's own packages."""
        command: list[Any] = [environment(self.system) / "python", "-c", text, file]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def trained(system: StackSystem, mlflow: str, folder: Path) -> TrainedRun:
    """The container of the stage `training` has ended well."""
    return asyncio.run(_trained(system, mlflow, folder))


async def _trained(system: StackSystem, mlflow: str, folder: Path) -> TrainedRun:
    stage, model = StackRun(system, folder).begin("r1", folder / "customers.csv"), f"stack-{system.slug}"
    async with MlflowRegistry(mlflow) as registry:
        begun = await registry.create_run(model, "r1", {})
        ended = stage.container(MLFLOW_TRACKING_URI=mlflow, MLFLOW_RUN_ID=begun.run_id)
        assert ended.code == 0, ended.log
        run = await registry.run(begun.run_id)
        assert run is not None
        assert run.model_uri is not None, "training.log has logged a model"
        number = await registry.register(model, run.run_id, run.model_uri, {})
        version = await registry.version(model, number)
        assert version is not None
        return TrainedRun(system, folder, run, version)

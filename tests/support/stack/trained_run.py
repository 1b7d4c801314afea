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


def patient_registry(mlflow: str) -> MlflowRegistry:
    """The operator's port, with time for a server that shares the cores with what is tested."""
    return MlflowRegistry(mlflow, timeout_seconds=60)


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
    return trained_in(StackRun(system, folder).begin("r1", folder / "customers.csv"), mlflow)


def trained_in(stage: StackRun, mlflow: str) -> TrainedRun:
    """The training at work, in a run whose earlier stages may have run before."""
    return asyncio.run(_trained(stage, mlflow))


async def _trained(stage: StackRun, mlflow: str) -> TrainedRun:
    model = f"stack-{stage.system.slug}"
    async with patient_registry(mlflow) as registry:
        begun = await registry.create_run(model, stage.folder.name, {})
        ended = stage.container(MLFLOW_TRACKING_URI=mlflow, MLFLOW_RUN_ID=begun.run_id)
        assert ended.code == 0, ended.log
        run = await registry.run(begun.run_id)
        assert run is not None
        assert run.model_uri is not None, "training.log has logged a model"
        number = await registry.register(model, run.run_id, run.model_uri, {})
        version = await registry.version(model, number)
        assert version is not None
        return TrainedRun(stage.system, stage.folder, run, version)

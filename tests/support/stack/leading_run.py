"""A run that leads: its stage `features` starts work of an orchestrator and waits for it. The MLflow run is real."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.live_registry import LiveRegistry
from tests.support.stack.stage_run import StackRun, StageEnd
from tests.support.stack.systems import StackSystem
from viridian.api.stage import ExitCode
from viridian.ports.mlflow import MlflowRegistry

GOOD_ROWS = "age,leaves\n31,0\n47,1\n"
NO_ROWS = "age,leaves\n"


class LeadingRun:
    """A run of the example's `stage-policy.yaml`, which has been asked for."""

    def __init__(self, system: StackSystem, mlflow: str, folder: Path) -> None:
        self._mlflow, self._data = mlflow, folder / "customers.csv"
        self.deliver(GOOD_ROWS)
        self.run = StackRun(system, folder, manifest="stage-policy.yaml").begin(folder.name, self._data)
        self._mlflow_run = asyncio.run(self._begun(f"stack-{system.slug}"))

    async def _begun(self, model: str) -> str:
        async with MlflowRegistry(self._mlflow) as registry:
            return (await registry.create_run(model, self.run.world.variables["VIRIDIAN_RUN_ID"], {})).run_id

    @property
    def id(self) -> str:
        """What Viridian calls the run."""
        return self.run.world.variables["VIRIDIAN_RUN_ID"]

    def deliver(self, rows: str) -> None:
        """The data of the run, from now on."""
        self._data.write_text(rows)

    def container(self, **variables: str) -> StageEnd:
        """A pod of the stage runs to its end; its Job may make another one."""
        return self.run.container(MLFLOW_TRACKING_URI=self._mlflow, MLFLOW_RUN_ID=self._mlflow_run, **variables)

    def work(self, **variables: str) -> StageEnd:
        """The Job of the stage ends as its pod has, and the operator reads what is left."""
        return self.run.work(MLFLOW_TRACKING_URI=self._mlflow, MLFLOW_RUN_ID=self._mlflow_run, **variables)

    def leads_to_training(self, **variables: str) -> None:
        """The work of the orchestrator logs to the MLflow run of the run, whose next stage is the training."""
        ended = self.work(**variables)
        assert ended.code == ExitCode.DONE, ended.log
        assert self.metrics["features.rows"] == 2
        assert self.run.at_work == "training"

    @property
    def metrics(self) -> dict[str, float]:
        """What the MLflow run of the run has by now."""
        data = LiveRegistry(self._mlflow).run(self._mlflow_run)["data"]
        return {metric["key"]: metric["value"] for metric in data.get("metrics", [])}

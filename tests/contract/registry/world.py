"""What a trainer and a person do to a registry from outside the operator, to the fake and to MLflow alike."""

from __future__ import annotations

import asyncio
import json
import math
import urllib.request
from collections.abc import Mapping
from typing import Any, Protocol

from tests.support.memory_registry import MemoryRegistry
from viridian.api.registry import TrainingRun
from viridian.ports.mlflow import MlflowRegistry
from viridian.ports.registry import Registry


class World(Protocol):
    @property
    def registry(self) -> Registry: ...

    async def log(self, run: TrainingRun, metrics: Mapping[str, float], params: Mapping[str, str]) -> None:
        """A trainer logs to its run."""

    async def log_model(self, run: TrainingRun) -> str:
        """A trainer logs a model to its run; the source that names it."""

    async def delete_version(self, name: str, version: str) -> None:
        """A person deletes a version."""

    async def delete_model(self, name: str) -> None:
        """A person deletes a registered model."""

    async def tag_model(self, name: str, key: str, value: str) -> None:
        """MLflow's administrator sets a tag of the registered model."""


class MemoryWorld:
    def __init__(self) -> None:
        self.registry = MemoryRegistry()

    async def log(self, run: TrainingRun, metrics: Mapping[str, float], params: Mapping[str, str]) -> None:
        self.registry.log(run.run_id, metrics=metrics, params=params)

    async def log_model(self, run: TrainingRun) -> str:
        source = f"models:/m-{run.run_id}"
        self.registry.log(run.run_id, model_uri=source)
        return source

    async def delete_version(self, name: str, version: str) -> None:
        self.registry.delete_version(name, version)

    async def delete_model(self, name: str) -> None:
        self.registry.delete_model(name)

    async def tag_model(self, name: str, key: str, value: str) -> None:
        self.registry.tag_model(name, {key: value})


class MlflowWorld:
    def __init__(self, registry: MlflowRegistry, url: str) -> None:
        self.registry = registry
        self._url = url

    async def log(self, run: TrainingRun, metrics: Mapping[str, float], params: Mapping[str, str]) -> None:
        await self._call(
            "POST",
            "runs/log-batch",
            run_id=run.run_id,
            metrics=[
                {"key": key, "value": in_json(value), "timestamp": 1, "step": 0} for key, value in metrics.items()
            ],
            params=[{"key": key, "value": value} for key, value in params.items()],
        )

    async def log_model(self, run: TrainingRun) -> str:
        body = await self._call("GET", f"runs/get?run_id={run.run_id}")
        experiment = body["run"]["info"]["experiment_id"]
        body = await self._call(
            "POST", "logged-models", experiment_id=experiment, name="model", source_run_id=run.run_id
        )
        model_id = body["model"]["info"]["model_id"]
        await self._call("POST", "runs/outputs", run_id=run.run_id, models=[{"model_id": model_id, "step": 0}])
        return f"models:/{model_id}"

    async def delete_version(self, name: str, version: str) -> None:
        await self._call("DELETE", "model-versions/delete", name=name, version=version)

    async def delete_model(self, name: str) -> None:
        await self._call("DELETE", "registered-models/delete", name=name)

    async def tag_model(self, name: str, key: str, value: str) -> None:
        await self._call("POST", "registered-models/set-tag", name=name, key=key, value=value)

    async def _call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        return await asyncio.to_thread(call, method, f"{self._url}/api/2.0/mlflow/{path}", body)


def in_json(value: float) -> float | str:
    """As MLflow's client writes it: JSON has no NaN."""
    return value if math.isfinite(value) else "NaN"


def call(method: str, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """One request past the adapter under test, so that its mistakes cannot hide themselves."""
    request = urllib.request.Request(  # noqa: S310  the test's own server
        url,
        method=method,
        data=json.dumps(body).encode() if body else None,
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        parsed = json.load(answer)
    assert isinstance(parsed, dict)
    return parsed

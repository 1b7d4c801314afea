"""A real MLflow server: a training's run, its model version and aliases, and the webhook that starts a run."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.kube import eventually
from tests.support.mlflow_server import MlflowServer
from tests.support.receiving import receiver_on
from tests.support.stack.environment import environment
from tests.support.stack.stage_run import StackRun, policy_of
from tests.support.stack.systems import named
from tests.support.stack.trained_run import TrainedRun, patient_registry, trained

SYSTEM = named("mlflow")
MODEL = "churn"
KEY = "the-key-of-mlflow-has-24-bytes-or-more"


@pytest.fixture(scope="module")
def result(mlflow: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return trained(SYSTEM, mlflow.url, tmp_path_factory.mktemp("training"))


def post(mlflow: MlflowServer, place: str, **body: str) -> None:
    """What MLflow's own pages send when a person clicks."""
    httpx.post(f"{mlflow.url}/api/2.0/mlflow/{place}", json=body, timeout=60).raise_for_status()


def test_what_the_script_logs_and_the_model_are_in_the_run_that_the_operator_made(
    result: TrainedRun, mlflow: MlflowServer, note_program: Callable[[str, str], None]
) -> None:
    note_program("mlflow", httpx.get(f"{mlflow.url}/version", timeout=60).text)
    assert {"leaves", "auc"} <= result.run.metrics.keys()
    assert result.run.params["max_depth"] == "6"
    assert result.version.run_id == result.run.run_id


async def test_an_alias_that_a_person_moves_is_what_the_operator_reads(
    result: TrainedRun, mlflow: MlflowServer
) -> None:
    name, version = result.version.name, result.version.version
    post(mlflow, "registered-models/alias", name=name, alias="candidate", version=version)
    async with patient_registry(mlflow.url) as registry:
        found = await registry.model(name)
    assert found is not None
    assert found.aliases == {"candidate": version}


async def test_a_tag_of_a_person_starts_a_run_and_one_of_the_operator_starts_none(
    mlflow: MlflowServer, tmp_path: Path
) -> None:
    (trigger,) = policy_of(SYSTEM)["spec"]["triggers"]
    post(mlflow, "registered-models/create", name=MODEL)
    post(mlflow, "model-versions/create", name=MODEL, source="s3://models/churn/1")
    async with receiver_on(tmp_path, event=trigger["event"]) as receiver:
        key = tmp_path / "ml" / "mlflow"
        key.write_text(KEY)
        address = f"http://127.0.0.1:{receiver.site.port}"
        await asyncio.to_thread(register_webhook, mlflow, address, key)
        receiver.clock.now = datetime.now(UTC)
        for key_of_tag, value in (("viridian.outcome", "HandedOver"), ("retrain", "complaints rise")):
            await asyncio.to_thread(post, mlflow, "model-versions/set-tag", **tag(key_of_tag, value))
        stored = await asyncio.to_thread(eventually, receiver.stored, what="the delivery", timeout=300)
    (event,) = (one["event"] for one in stored)  # the operator's own tag is none
    assert (event["type"], event["subject"]) == ("mlflow.model_version_tag.set", MODEL)
    run = StackRun(SYSTEM, tmp_path / "run")
    assert not run.world.made
    run.world.receive(event["id"], **{name: event[name] for name in ("type", "source", "subject")}).settle()
    assert run.at_work == "training"


def tag(key: str, value: str) -> dict[str, Any]:
    return {"name": MODEL, "version": "1", "key": key, "value": value}


def register_webhook(mlflow: MlflowServer, address: str, key: Path) -> None:
    """The example's `hook.py`, as a person runs it once."""
    given = {"MLFLOW_TRACKING_URI": mlflow.url, "EVENTS_ADDRESS": address, "EVENTS_KEY_FILE": str(key)}
    command = [str(environment(SYSTEM) / "python"), str(SYSTEM.folder / "hook.py")]
    done = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

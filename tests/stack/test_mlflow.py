"""A real MLflow server: a training's run, its model version and aliases, and the webhook that starts a run."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.kube import eventually
from tests.support.mlflow_server import MlflowServer, mlflow_server
from tests.support.receiving import receiver_on
from tests.support.stack.environment import environment
from tests.support.stack.stage_run import StackRun, policy_of
from tests.support.stack.systems import named
from tests.support.stack.trained_run import TrainedRun, patient_registry, trained

pytestmark = pytest.mark.needs_mlflow
SYSTEM = named("mlflow")
MODEL = "churn"
KEY = "the-key-of-mlflow-has-24-bytes-or-more"
# Without the first two it reaches no Service of a cluster, and without the third it forgets secrets at a restart.
WEBHOOKS = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(b"0" * 32).decode(),
    "MLFLOW_WEBHOOK_CACHE_TTL": "1",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), settings=WEBHOOKS) as started:
        yield started


@pytest.fixture(scope="module")
def result(server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return trained(SYSTEM, server.url, tmp_path_factory.mktemp("training"))


def post(server: MlflowServer, place: str, **body: str) -> None:
    """What MLflow's own pages send when a person clicks."""
    httpx.post(f"{server.url}/api/2.0/mlflow/{place}", json=body).raise_for_status()


def test_what_the_script_logs_and_the_model_are_in_the_run_that_the_operator_made(
    result: TrainedRun, server: MlflowServer, note_program: Callable[[str, str], None]
) -> None:
    note_program("mlflow", httpx.get(f"{server.url}/version").text)
    assert {"leaves", "auc"} <= result.run.metrics.keys()
    assert result.run.params["max_depth"] == "6"
    assert result.version.run_id == result.run.run_id


async def test_an_alias_that_a_person_moves_is_what_the_operator_reads(
    result: TrainedRun, server: MlflowServer
) -> None:
    name, version = result.version.name, result.version.version
    post(server, "registered-models/alias", name=name, alias="candidate", version=version)
    async with patient_registry(server.url) as registry:
        found = await registry.model(name)
    assert found is not None
    assert found.aliases == {"candidate": version}


async def test_a_tag_of_a_person_starts_a_run_and_one_of_the_operator_starts_none(
    server: MlflowServer, tmp_path: Path
) -> None:
    (trigger,) = policy_of(SYSTEM)["spec"]["triggers"]
    post(server, "registered-models/create", name=MODEL)
    post(server, "model-versions/create", name=MODEL, source="s3://models/churn/1")
    async with receiver_on(tmp_path, event=trigger["event"]) as receiver:
        receiver.clock.now = datetime.now(UTC)
        key = tmp_path / "ml" / "mlflow"
        key.write_text(KEY)
        address = f"http://127.0.0.1:{receiver.site.port}"
        await asyncio.to_thread(register_webhook, server, address, key)
        for key_of_tag, value in (("viridian.outcome", "HandedOver"), ("retrain", "complaints rise")):
            await asyncio.to_thread(post, server, "model-versions/set-tag", **tag(key_of_tag, value))
        stored = await asyncio.to_thread(eventually, receiver.stored, what="the delivery of the webhook")
    (event,) = (one["event"] for one in stored)  # the operator's own tag is none
    assert (event["type"], event["subject"]) == ("mlflow.model_version_tag.set", MODEL)
    run = StackRun(SYSTEM, tmp_path / "run")
    assert not run.world.made
    run.world.receive(event["id"], **{name: event[name] for name in ("type", "source", "subject")}).settle()
    assert run.at_work == "training"


def tag(key: str, value: str) -> dict[str, Any]:
    return {"name": MODEL, "version": "1", "key": key, "value": value}


def register_webhook(server: MlflowServer, address: str, key: Path) -> None:
    """The example's `hook.py`, as a person runs it once."""
    given = {"MLFLOW_TRACKING_URI": server.url, "EVENTS_ADDRESS": address, "EVENTS_KEY_FILE": str(key)}
    command = [str(environment(SYSTEM) / "python"), str(SYSTEM.folder / "hook.py")]
    done = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

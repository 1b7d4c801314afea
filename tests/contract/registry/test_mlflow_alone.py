"""What only a real MLflow server can show: places of bytes, host names, and two writers at once."""

from __future__ import annotations

import asyncio
import socket
import urllib.error
from pathlib import Path

import pytest

from tests.contract.registry.world import MlflowWorld, call
from tests.support.mlflow_server import MlflowServer, mlflow_server
from viridian.ports.mlflow import MlflowRegistry
from viridian.ports.registry import RegistryRefused, RegistryUnavailable

pytestmark = pytest.mark.needs_mlflow


async def test_a_source_relative_to_a_run_becomes_a_place(mlflow: MlflowServer, name: str) -> None:
    """The server keeps `runs:/…` as it is, and an init container could not download that."""
    async with MlflowRegistry(mlflow.url) as registry:
        run = await registry.create_run(name, "r1", {})
        made = await registry.register(name, run.run_id, f"runs:/{run.run_id}/model", {})
        version = await registry.version(name, made)
    assert version is not None
    assert version.source == f"runs:/{run.run_id}/model"
    assert version.uri.startswith("mlflow-artifacts:/")
    assert version.uri.endswith(f"/{run.run_id}/artifacts/model")


async def test_a_runs_artifact_can_be_registered(mlflow: MlflowServer, name: str) -> None:
    async with MlflowRegistry(mlflow.url) as registry:
        run = await registry.create_run(name, "r1", {})
        made = await registry.register(name, run.run_id, f"runs:/{run.run_id}/model", {})
        place = await registry.version(name, made)
        assert place is not None
        other = await registry.register(f"{name}-b", run.run_id, place.uri, {})
        assert await registry.version(f"{name}-b", other) is not None


async def test_a_logged_model_is_registered_by_its_id_and_not_by_its_source_alone(
    mlflow: MlflowServer, name: str
) -> None:
    """Why the adapter reads the id out of the source: the same request without it is refused."""
    async with MlflowRegistry(mlflow.url) as registry:
        run = await registry.create_run(name, "r1", {})
        source = await MlflowWorld(registry, mlflow.url).log_model(run)
        made = await registry.register(name, run.run_id, source, {})
        place = await registry.version(name, made)
        assert place is not None
        assert await registry.register(f"{name}-b", run.run_id, place.uri, {}) == "1"
    body = {"name": name, "source": source, "run_id": run.run_id}
    with pytest.raises(urllib.error.HTTPError, match="400"):
        await asyncio.to_thread(call, "POST", f"{mlflow.url}/api/2.0/mlflow/model-versions/create", body)


async def test_somebody_elses_artifact_is_refused(mlflow: MlflowServer, name: str) -> None:
    async with MlflowRegistry(mlflow.url) as registry:
        run = await registry.create_run(name, "r1", {})
        with pytest.raises(RegistryRefused, match="Invalid model version source"):
            await registry.register(name, run.run_id, f"mlflow-artifacts:/0/{'0' * 32}/artifacts/model", {})


async def test_two_writers_at_once_make_one_model_and_one_experiment(mlflow: MlflowServer, name: str) -> None:
    async with MlflowRegistry(mlflow.url) as one, MlflowRegistry(mlflow.url) as two:
        runs = await asyncio.gather(one.create_run(name, "r1", {}), two.create_run(name, "r2", {}))
        sources = [await MlflowWorld(one, mlflow.url).log_model(run) for run in runs]
        versions = await asyncio.gather(
            one.register(name, runs[0].run_id, sources[0], {}), two.register(name, runs[1].run_id, sources[1], {})
        )
        assert sorted(versions) == ["1", "2"]
        assert {(await one.find_run(name, key)) is not None for key in ("r1", "r2")} == {True}


async def test_a_host_name_that_the_server_does_not_know_is_told_with_the_cure(
    mlflow: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Health checks are answered for any host, so probes are green while every call fails."""
    port = mlflow.url.rpartition(":")[2]
    resolve = socket.getaddrinfo

    def to_loopback(host: str, *rest: object, **more: object) -> object:
        return resolve("127.0.0.1" if host == "mlflow.ml.svc" else host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", to_loopback)
    async with MlflowRegistry(f"http://mlflow.ml.svc:{port}") as registry:
        with pytest.raises(RegistryRefused) as caught:
            await registry.model("churn")
    assert caught.value.message == (
        f"MLflow at http://mlflow.ml.svc:{port} refuses the host name 'mlflow.ml.svc:{port}': "
        "start it with --allowed-hosts 'mlflow.ml.svc,mlflow.ml.svc:*'"
    )


async def test_the_cure_in_that_message_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def to_loopback(host: str, *rest: object, **more: object) -> object:
        return resolve("127.0.0.1" if host == "mlflow.ml.svc" else host, *rest, **more)  # type: ignore[arg-type]

    with mlflow_server(tmp_path, "--allowed-hosts", "mlflow.ml.svc,mlflow.ml.svc:*") as server:
        monkeypatch.setattr(socket, "getaddrinfo", to_loopback)
        async with MlflowRegistry(server.url.replace("127.0.0.1", "mlflow.ml.svc")) as registry:
            assert await registry.model("churn") is None
    async with MlflowRegistry(server.url) as registry:
        with pytest.raises(RegistryUnavailable, match="cannot be reached"):
            await registry.model("churn")

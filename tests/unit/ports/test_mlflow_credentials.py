"""Credentials of a namespace: read from files for each request, and never replaced by others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from localcluster.ports import free_port
from viridian.ports.mlflow import MlflowRegistry
from viridian.ports.mlflow_credentials import CredentialFiles
from viridian.ports.registry import RegistryRefused


@pytest.fixture
async def shown() -> AsyncIterator[tuple[str, list[str]]]:
    """The address of an MLflow, and the credentials that it is shown."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.json_response({"registered_model": {"name": "churn"}})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}", seen
    await runner.cleanup()


Shown = tuple[str, list[str]]
Ask = Callable[[], Awaitable[object]]


async def test_a_changed_secret_is_used_at_once(shown: Shown, tmp_path: Path) -> None:
    url, seen = shown
    async with MlflowRegistry(url, credentials=CredentialFiles("sec-b", tmp_path)) as registry:
        (tmp_path / "MLFLOW_TRACKING_TOKEN").write_text("first\n")
        await registry.model("churn")
        (tmp_path / "MLFLOW_TRACKING_TOKEN").write_text("second")
        await registry.model("churn")
        (tmp_path / "MLFLOW_TRACKING_TOKEN").unlink()
        (tmp_path / "MLFLOW_TRACKING_USERNAME").write_text("u")
        (tmp_path / "MLFLOW_TRACKING_PASSWORD").write_text("p")
        await registry.model("churn")
    assert seen == ["Bearer first", "Bearer second", "Basic dTpw"]


@pytest.mark.parametrize(
    "files", [{}, {"MLFLOW_TRACKING_TOKEN": b"\n"}, {"MLFLOW_TRACKING_TOKEN": b"\xff\xfe"}, {"password": b"x"}]
)
async def test_without_credentials_nothing_is_asked(shown: Shown, tmp_path: Path, files: dict[str, bytes]) -> None:
    url, seen = shown
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    async with MlflowRegistry(url, credentials=CredentialFiles("sec-b", tmp_path)) as registry:
        with pytest.raises(RegistryRefused, match="the MLflow credentials of the namespace sec-b"):
            await registry.model("churn")
    assert seen == []

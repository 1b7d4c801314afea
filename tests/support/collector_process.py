"""The real collector as a process of its own, on a free port; in the place of the API server stands a scripted one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from viridian.api.feedback import TOKEN_AUDIENCE


@contextlib.asynccontextmanager
async def reviewing(owners: dict[str, str]) -> AsyncIterator[str]:
    """The URL of a server that knows whose the tokens are, and allows everything to everybody it knows."""

    async def token_review(request: web.Request) -> web.Response:
        token = (await request.json())["spec"]["token"]
        known = token in owners
        status = {"authenticated": known, "audiences": [TOKEN_AUDIENCE], "user": {"username": owners.get(token, "")}}
        return web.json_response({"status": status}, status=201)

    async def access_review(_: web.Request) -> web.Response:
        return web.json_response({"status": {"allowed": True}}, status=201)

    application = web.Application()
    application.router.add_post("/apis/authentication.k8s.io/v1/tokenreviews", token_review)
    application.router.add_post("/apis/authorization.k8s.io/v1/subjectaccessreviews", access_review)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@dataclass
class CollectorProcess:
    """A running collector and what it logged."""

    process: asyncio.subprocess.Process
    port: int = 0
    said: list[str] = field(default_factory=list)
    """Messages of the lines that were read."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def logged(self, message: str) -> dict[str, Any]:
        """The next line with this message; fails when the process ends without it."""
        assert self.process.stdout is not None
        seen = []
        while line := await self.process.stdout.readline():
            entry: dict[str, Any] = json.loads(line)
            self.said.append(entry["message"])
            if entry["message"] == message:
                return entry
            seen.append(entry)
        raise AssertionError(f"the collector ended without saying {message!r}: {seen}")

    async def rest_of_log(self) -> str:
        """Every line until the end."""
        assert self.process.stdout is not None
        return (await self.process.stdout.read()).decode()

    def kill(self) -> None:
        """As a crash: it notices nothing."""
        self.process.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """As the kubelet does first."""
        self.process.send_signal(signal.SIGTERM)


def _token(data: Path) -> Path:
    data.mkdir(parents=True, exist_ok=True)
    token = data / "token"
    token.write_text("collector")
    return token


@contextlib.asynccontextmanager
async def launched(
    api_server: str, data: Path, database_url: str = "", known: Sequence[str] = ("ml/churn",), **settings: str
) -> AsyncIterator[CollectorProcess]:
    """The process, as soon as it listens. It is gone afterwards. Without an operator, a file says who is known."""
    token = _token(data)
    rules = data / "rules.yaml"
    rules.write_text(json.dumps({"deployments": {place: {} for place in known}}))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("VIRIDIAN_")},
        "VIRIDIAN_HOST": "127.0.0.1",
        "VIRIDIAN_PORT": "0",
        "VIRIDIAN_DATA_DIR": str(data),
        "VIRIDIAN_DATABASE_URL": database_url,
        "VIRIDIAN_API_SERVER": api_server,
        "VIRIDIAN_API_TOKEN_FILE": str(token),
        "VIRIDIAN_RULES": str(rules),
        **{f"VIRIDIAN_{name.upper()}": value for name, value in settings.items()},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "viridian.feedback.main", env=environment, stdout=asyncio.subprocess.PIPE
    )
    collector = CollectorProcess(process)
    try:
        collector.port = (await collector.logged("start"))["port"]
        yield collector
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

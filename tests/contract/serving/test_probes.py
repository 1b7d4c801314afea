"""The probes of the pod template, and the server that they look at."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp
import msgspec

from tests.support import models
from tests.support.server_process import launched
from tests.support.snapshots import SETTINGS, model
from viridian.api.modeldeployment import Server
from viridian.rollout.render.pod_template import pod_template


async def test_the_startup_probe_ends_with_0_once_the_server_is_ready(tmp_path: Path) -> None:
    async with launched(models.write_onnx_mlflow(tmp_path / "model"), tmp_path) as server:
        made = pod_template("churn", model("1"), msgspec.convert({"port": server.port}, Server), SETTINGS)
        container = made["spec"]["containers"][0]
        program, *arguments = container["startupProbe"]["exec"]["command"]
        assert program == "python3"
        probe = await asyncio.create_subprocess_exec(sys.executable, *arguments)
        assert await asyncio.wait_for(probe.wait(), timeout=60) == 0
        ready = container["readinessProbe"]["httpGet"]["path"]
        async with aiohttp.ClientSession() as session, session.get(f"{server.url}{ready}") as answer:
            assert answer.status == 200

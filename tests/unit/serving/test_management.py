"""The management port while the model is still being loaded, without a process that would have to load slowly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from viridian.api.manifest import MANIFEST_PATH
from viridian.api.orders import HEADER, Order
from viridian.api.profile import BUNDLE_PATH, PROFILE_PATH
from viridian.ports.order_signing import OrderKey
from viridian.serving import server_settings
from viridian.serving.endpoints.inference import Inference
from viridian.serving.endpoints.keep_alive import Connections
from viridian.serving.endpoints.management import Management

KEY = OrderKey.generate()


@pytest.mark.parametrize("path", [f"{BUNDLE_PATH}/{PROFILE_PATH}", f"{BUNDLE_PATH}/{MANIFEST_PATH}", "/profile"])
async def test_before_its_files_are_verified_a_server_shows_none(tmp_path: Path, path: str) -> None:
    """503, which the operator asks again after; 404 would be a word about the version."""
    (tmp_path / "viridian").mkdir()
    for name in (PROFILE_PATH, MANIFEST_PATH):
        (tmp_path / name).write_text("{}")
    given = server_settings.parse(
        [f"--model-dir={tmp_path}", "--namespace=team", "--pod=churn-1", f"--orders-key={KEY.public}"], {}
    )
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    management = Management(Inference(given, Connections(), 1), Connections(), given)
    proof = KEY.prove(Order(method="GET", path=path, body=b"", receiver="team/churn-1")).encode()
    headers = [(HEADER.encode(), proof)]
    await management({"type": "http", "method": "GET", "path": path, "headers": headers}, receive, send)
    assert sent[0]["status"] == 503

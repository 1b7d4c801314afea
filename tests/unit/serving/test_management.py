"""The management port while the model is still being loaded, without a process that would have to load slowly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from viridian.api.manifest import MANIFEST_PATH
from viridian.api.profile import BUNDLE_PATH, PROFILE_PATH
from viridian.serving import settings
from viridian.serving.connections import Connections
from viridian.serving.inference import Inference
from viridian.serving.management import Management


@pytest.mark.parametrize("path", [f"{BUNDLE_PATH}/{PROFILE_PATH}", f"{BUNDLE_PATH}/{MANIFEST_PATH}", "/profile"])
async def test_before_its_files_are_verified_a_server_shows_none(tmp_path: Path, path: str) -> None:
    """503, which the operator asks again after; 404 would be a word about the version."""
    (tmp_path / "viridian").mkdir()
    for name in (PROFILE_PATH, MANIFEST_PATH):
        (tmp_path / name).write_text("{}")
    given = settings.parse([f"--model-dir={tmp_path}"], {})
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("nobody reads the body")

    async def send(message: Any) -> None:
        sent.append(message)

    management = Management(Inference(given, Connections(), 1), Connections(), tmp_path)
    await management({"type": "http", "method": "GET", "path": path, "headers": []}, receive, send)
    assert sent[0]["status"] == 503

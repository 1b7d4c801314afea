"""Erasing somebody whom servers know by a keyed hash alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.collecting import START, Stand, batch, prediction
from viridian.api.privacy import keyed_hash

KEY = b"of the servers, sixteen bytes and more"


def named(folder: Path, *ids: str) -> list[str]:
    """What the documented command says."""
    (folder / "key").write_bytes(KEY + b"\n")
    command = [sys.executable, "-m", "viridian.api.privacy", str(folder / "key")]
    told = subprocess.run(command, input="\n".join(ids), capture_output=True, text=True, check=True)
    return told.stdout.split()


async def test_the_command_names_whom_the_server_named(stand: Stand, tmp_path: Path) -> None:
    rows = [prediction(number, subject=keyed_hash(KEY, subject)) for number, subject in enumerate(("ada", 5, 5.0))]
    await stand.server.predict(batch(rows))
    answer = await stand.admin.ok("DELETE", "/v1/subjects/ada?namespace=ml")
    assert answer["erased"] == 0
    assert "python -m viridian.api.privacy" in answer["hint"]
    ada, five = named(tmp_path, "ada", "5")
    assert await stand.admin.ok("DELETE", f"/v1/subjects/{ada}?namespace=ml") == {"erased": 1}
    assert await stand.admin.ok("DELETE", f"/v1/subjects/{ada}?namespace=ml") == {"erased": 0}
    assert await stand.admin.ok("DELETE", f"/v1/subjects/{five}?namespace=ml") == {"erased": 2}
    assert await stand.admin.windows(START, START + 10, 10) == []


def test_without_a_key_the_command_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    for path, said in ((tmp_path / "none", "cannot be read"), (tmp_path / "empty", "is empty")):
        command = [sys.executable, "-m", "viridian.api.privacy", str(path)]
        told = subprocess.run(command, input="ada", capture_output=True, text=True, check=False)
        assert (told.returncode, said in told.stderr, told.stdout) == (2, True, "")

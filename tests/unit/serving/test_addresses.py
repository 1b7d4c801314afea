"""What the init step says about an address, as a process: never more than may be shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

UNREADABLE = [
    "https://planteduser:PLANTEDPW77@127.0.0.1:1/m.tar.gz?X-Amz-Signature=PLANTEDSIG88",
    "http://planteduser:PLANTED/PW77@127.0.0.1:1/m.tar.gz",
    "http://127.0.0.1:1/m.tar.gz?X-Amz-Signature=PLANTEDSIG88",
    "http://127.0.0.1:PLANTED/m.tar.gz",
    "http://127.0.0.1:1/m.zip?PLANTEDSIG88",
    "https://planteduser:PLANTED[PW77@h/m.tar.gz",
    "https://planteduser:PLANTEDPW77@h\u2100/m.tar.gz",
    "http://127.0.0.1:1/\r\nx: x/m.tar.gz?a b PLANTED",
    "models:/m-1?PLANTED",
    "s3://PLANTEDKEY:PLANTEDSECRET@bucket/m",
    "mlflow-artifacts://planteduser:PLANTEDPW77@h/1/m",
    "ftp://planteduser:PLANTEDPW77@h/m.tar.gz",
]
NO_ADDRESS = ["PLANTED-password", "PLANTED password?x", "https://PLANTED.internal/PLANTED.tar.gz", "file:///PLANTED/m"]


def fetched(tmp_path: Path, **variables: str) -> str:
    """All that the process says in its log and as last words."""
    words = tmp_path / "termination"
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("VIRIDIAN_", "MLFLOW_"))},
        "VIRIDIAN_MODEL_DIR": str(tmp_path / "model"),
        "VIRIDIAN_FETCH_DEADLINE_SECONDS": "0",
        "VIRIDIAN_TERMINATION_LOG": str(words),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "MLFLOW_TRACKING_TOKEN": "PLANTEDTOKEN",
        **variables,
    }
    command = [sys.executable, "-m", "viridian.serving.fetch.main"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = words.read_text()
    assert said.startswith("ModelUnavailable: "), (said, done.stderr)
    assert said.isprintable()
    return said + done.stdout + done.stderr


@pytest.mark.parametrize("uri", UNREADABLE, ids=range(len(UNREADABLE)))
def test_an_address_that_cannot_be_used(tmp_path: Path, uri: str) -> None:
    assert "planted" not in fetched(tmp_path, VIRIDIAN_MODEL_URI=uri).lower()


@pytest.mark.parametrize("content", [*NO_ADDRESS, UNREADABLE[2]], ids=range(len(NO_ADDRESS) + 1))
def test_a_secret_is_shown_by_its_name_alone(tmp_path: Path, content: str) -> None:
    """Whoever names the wrong Secret must not read it in the status of a pod."""
    variables = {"VIRIDIAN_MODEL_URI": content, "VIRIDIAN_MODEL_URI_SECRET": "secret:churn-model/uri"}
    said = fetched(tmp_path, **variables)
    assert "planted" not in said.lower()
    assert "secret:churn-model/uri" in said


@pytest.mark.parametrize("module", ["viridian.serving.fetch.main", "viridian.serving.main", "viridian.feedback.main"])
def test_help_shows_no_secrets(module: str) -> None:
    planted = "https://planteduser:PLANTEDPW77@h/?sig=PLANTEDSIG88"
    names = ("MODEL_URI", "COLLECTOR_URL", "API_SERVER", "DATABASE_URL", "MLFLOW_URI")
    environment = {**os.environ, **{f"VIRIDIAN_{name}": planted for name in names}, "MLFLOW_TRACKING_URI": planted}
    done = subprocess.run([sys.executable, "-m", module, "--help"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert "planted" not in (done.stdout + done.stderr).lower()

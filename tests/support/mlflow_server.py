"""A real MLflow server on 127.0.0.1: SQLite, one worker, no job runners, its own process group.

The packages come from the environment that `make mlflow-venv` builds in the project's cache.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcluster.ports import free_port

START_SECONDS = 180.0
STOP_SECONDS = 20.0
LOG_LINES = 30


@dataclass(frozen=True)
class MlflowServer:
    """Where the server answers, and where it keeps what it is told."""

    url: str
    directory: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.directory / "server.log").read_text(errors="replace")


@contextmanager
def mlflow_server(directory: Path, *options: str) -> Iterator[MlflowServer]:
    """The server answers from the first line of the block until its end; the directory holds its database and log."""
    port = free_port()
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command(port, directory, options),
            cwd=directory,
            env=environment(directory),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = MlflowServer(url=f"http://127.0.0.1:{port}", directory=directory, process=process)
    try:
        wait_until_healthy(server)
        yield server
    finally:
        end_group(process)


def command(port: int, directory: Path, options: Sequence[str]) -> list[str]:
    executable = cache() / "mlflow-venv" / "bin" / "mlflow"
    if not executable.exists():
        raise FileNotFoundError(f"{executable} is missing: run `make mlflow-venv`")
    return [
        str(executable),
        "server",
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
        *("--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{directory}/mlflow.db"),
        *("--artifacts-destination", str(directory / "artifacts")),
        *options,
    ]


def environment(directory: Path) -> dict[str, str]:
    """Nothing of the caller's MLflow settings, no telemetry, no job runners, and no look at the network.

    Webhooks reach receivers on this computer, and a new one is known within a second.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return kept | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(b"0" * 32).decode(),
        "MLFLOW_WEBHOOK_CACHE_TTL": "1",
        "HOME": str(directory),
    }


def wait_until_healthy(server: MlflowServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        if healthy(server.url):
            return
        time.sleep(0.1)  # between two looks at the condition that is awaited
    tail = "\n".join(server.log.splitlines()[-LOG_LINES:])
    raise RuntimeError(f"MLflow did not answer on {server.url}:\n{tail}")


def healthy(url: str, path: str = "/health") -> bool:
    try:
        with urllib.request.urlopen(f"{url}{path}", timeout=5) as answer:  # noqa: S310  our own http address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def end_group(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Ends the server and every process that it started: the group carries the id of its first process."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait(STOP_SECONDS)


def cache() -> Path:
    """The project's cache, found as the Makefile finds it."""
    if chosen := os.environ.get("VIRIDIAN_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "viridian"

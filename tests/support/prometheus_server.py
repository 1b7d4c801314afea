"""A real Prometheus on a free port of 127.0.0.1 that holds what a test wrote in the OpenMetrics format, and no more."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from localcluster.ports import free_port
from tests.support.debian import AMTOOL, PROMETHEUS, PROMTOOL

START_SECONDS = 60.0
STOP_SECONDS = 20.0
MAX_SAMPLES = 20_000
"""That a query may load: Prometheus refuses a larger one."""


@contextlib.contextmanager
def prometheus(metrics: str, web_settings: Path | None = None) -> Iterator[str]:
    """Its address without a scheme. `web_settings`: the file of its TLS and its logins."""
    with tempfile.TemporaryDirectory(prefix="viridian-prometheus-") as name:
        folder = Path(name)
        (folder / "metrics.txt").write_text(metrics)
        (folder / "prometheus.yml").write_text("{}")
        promtool("tsdb", "create-blocks-from", "openmetrics", str(folder / "metrics.txt"), str(folder / "data"))
        address = f"127.0.0.1:{free_port()}"
        process = _start(folder, address, web_settings)
        try:
            _wait(address, process, folder)
            yield address
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def promtool(*arguments: str, given: bytes = b"") -> str:
    """What it prints. AssertionError with that where it finds a mistake."""
    done = subprocess.run([str(PROMTOOL.find()), *arguments], input=given, capture_output=True, check=False)
    printed = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, printed[-4000:]
    return printed


def amtool(*arguments: str) -> None:
    """AssertionError with what it prints where it finds a mistake."""
    done = subprocess.run([str(AMTOOL.find()), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _start(folder: Path, address: str, web_settings: Path | None) -> subprocess.Popen[bytes]:
    command = [
        str(PROMETHEUS.find()),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",
        f"--query.max-samples={MAX_SAMPLES}",
        f"--web.listen-address={address}",
        *([f"--web.config.file={web_settings}"] if web_settings else []),
    ]
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)


def _wait(address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _is_ready(address):
            return
        time.sleep(0.05)  # between two looks at the condition that is awaited
    raise RuntimeError(f"Prometheus did not start:\n{(folder / 'server.log').read_text(errors='replace')[-2000:]}")


def _is_ready(address: str) -> bool:
    """A server that wants TLS rejects plain HTTP with 400, as soon as it listens."""
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 400
    except OSError:
        return False

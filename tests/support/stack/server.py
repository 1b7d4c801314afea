"""Processes of a system, from the environment of its example: each is at work from the first line of a block on."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.mlflow_server import end_group, healthy

START_SECONDS: Final = 600.0
_LOG: Final = "server.log"
_LOG_CHARACTERS: Final = 3000


@contextmanager
def working(
    command: Sequence[str], folder: Path, *, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, whose output is in `server.log`. It and all that it has started are ended afterwards."""
    with (folder / _LOG).open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(settings or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end_group(process)


@contextmanager
def served(
    command: Sequence[str],
    folder: Path,
    address: str,
    *,
    health: str = "/health",
    settings: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The address, once its health is 200."""
    with working(command, folder, settings=settings) as process:
        deadline = time.monotonic() + START_SECONDS
        while not healthy(address, health):
            if process.poll() is not None or time.monotonic() > deadline:
                log = (folder / _LOG).read_text()[-_LOG_CHARACTERS:]
                raise RuntimeError(f"{command[0]} did not answer on {address}:\n{log}")
            time.sleep(0.1)  # between two looks at the condition that is awaited
        yield address

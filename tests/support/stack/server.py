"""A server of a system, from the environment of its example: it answers from the first line of the block to its end."""

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
_LOG_CHARACTERS: Final = 3000


@contextmanager
def served(
    command: Sequence[str],
    folder: Path,
    address: str,
    *,
    health: str = "/health",
    settings: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The address, once its health is 200. The server and all that it has started are ended afterwards."""
    log = folder / "server.log"
    environment = {**os.environ, **(settings or {})}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not healthy(address, health):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not answer on {address}:\n{log.read_text()[-_LOG_CHARACTERS:]}")
            time.sleep(0.1)  # between two looks at the condition that is awaited
        yield address
    finally:
        end_group(process)

"""One virtual environment for each tool that is compared, in the project's cache, made from a lock of its own.

A tool never shares packages with another tool: each gets exactly the versions that it asks for.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from localcluster.environments import install
from localcluster.paths import REPOSITORY, cache_root

LOCKS = REPOSITORY / "locks"


def environment(lock: str) -> Path:
    """The `bin` folder of the environment that `locks/<lock>.txt` describes; built where it is not there yet."""
    pins = LOCKS / f"{lock}.txt"
    name = f"{Path(lock).name}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    folder = cache_root() / "bench" / name
    complete = folder / ".complete"
    if not complete.exists():
        print(f"installing {lock} into {folder}", file=sys.stderr, flush=True)
        install(folder, pins)
        complete.touch()
    return folder / "bin"

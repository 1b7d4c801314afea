"""An environment for each system, side by side in the project's cache, made by uv from the lock of its example.

python -m tests.support.stack.environment             makes those of all systems that have an example
python -m tests.support.stack.environment feast       makes one; `changed`, `due`: those that are to run again
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from localcluster.environments import install
from localcluster.paths import cache_root
from tests.support.stack.selected import NoExample, selected
from tests.support.stack.systems import StackSystem

AT_ONCE: Final = 2
"""Downloads wait for the network, and the compilation of what they bring for a core."""
_VERSIONS: Final = """
import importlib.metadata, json, platform, sys
found = {name: importlib.metadata.version(name) for name in sys.argv[1:]}
print(json.dumps({"Python": platform.python_version(), **found}))
"""


def environment(system: StackSystem) -> Path:
    """The `bin` folder of what the system's lock pins; made where it is not there yet.

    An example without a lock adds no package to the trainer image, whose packages are in this environment.
    """
    pins = system.lock
    if not pins.exists():
        return Path(sys.executable).parent
    folder = cache_root() / "stack" / f"{system.slug}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    complete = folder / ".complete"
    if not complete.exists():
        began = time.monotonic()
        _progress(f"{system.slug}: installing {_pinned(pins)} packages")
        install(folder, pins)
        complete.touch()
        _progress(f"{system.slug}: installed in {time.monotonic() - began:.0f} s, {folder}")
    return folder / "bin"


def versions(system: StackSystem) -> dict[str, str]:
    """What the environment itself says of Python and of the packages that the example asks for by name.

    None for an example without a lock: its tests note the programs that they run.
    """
    if not system.lock.exists():
        return {}
    lines = system.lock.with_suffix(".in").read_text().splitlines()
    asked = [_name(line) for line in lines if line and not line.startswith("-r ")]
    command = [str(environment(system) / "python"), "-c", _VERSIONS, *asked]
    found: dict[str, str] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def _name(requirement: str) -> str:
    for mark in "[<>=~ ":
        requirement = requirement.partition(mark)[0]
    return requirement


def _pinned(lock: Path) -> int:
    return sum("==" in line for line in lock.read_text().splitlines())


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        wanted = selected("".join(sys.argv[1:]))
    except NoExample as error:
        sys.exit(str(error))
    with ThreadPoolExecutor(AT_ONCE) as makers:
        for made in makers.map(environment, wanted):
            made.stat()

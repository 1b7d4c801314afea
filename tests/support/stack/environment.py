"""An environment for each system, side by side in the project's cache, from the locks of its example.

uv installs what `lock.txt` pins. An example with a `package-lock.json` has Node among that; its npm installs the rest.

python -m tests.support.stack.environment             makes those of all systems that have an example
python -m tests.support.stack.environment feast       makes one; `changed`, `due`: those that are to run again
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from localcluster.environments import install
from localcluster.paths import cache_root
from tests.support.stack import programs
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
    """The `bin` folder of what the system's locks pin; made where it is not there yet.

    An example without a lock adds no package to the trainer image, whose packages are in this environment.
    """
    if not system.lock.exists():
        return Path(sys.executable).parent
    locks = [lock for lock in (system.lock, system.node_lock) if lock.exists()]
    pinned = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:12]
    folder = cache_root() / "stack" / f"{system.slug}-{pinned}"
    complete = folder / ".complete"
    if not complete.exists():
        began = time.monotonic()
        _progress(f"{system.slug}: installing {_count(system)} packages")
        install(folder, system.lock)
        if system.node_lock.exists():
            _install_by_npm(folder, system)
        complete.touch()
        _progress(f"{system.slug}: installed in {time.monotonic() - began:.0f} s, {folder}")
    programs.ensure(system)
    return folder / "bin"


def versions(system: StackSystem) -> dict[str, str]:
    """What the example asks for by name: of programs and npm as their locks have it, of Python as it reports itself.

    None for an example without a lock: its tests note the programs that they run.
    """
    if not system.lock.exists():
        return {}
    lines = system.lock.with_suffix(".in").read_text().splitlines()
    asked = [_name(line) for line in lines if line and not line.startswith("-r ")]
    command = [str(environment(system) / "python"), "-c", _VERSIONS, *asked]
    found: dict[str, str] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {**programs.versions_from_modules(system), **node_versions(system), **found}


def node_versions(system: StackSystem) -> dict[str, str]:
    """Of the packages of npm that the example asks for by name, as its lock pins them."""
    if not system.node_lock.exists():
        return {}
    packages = json.loads(system.node_lock.read_text())["packages"]
    return {name: packages[f"node_modules/{name}"]["version"] for name in packages[""]["dependencies"]}


def _install_by_npm(folder: Path, system: StackSystem) -> None:
    """No package runs anything meanwhile; its programs stand among those of Python."""
    for file in (system.node_lock, system.node_lock.with_name("package.json")):
        shutil.copy(file, folder)
    given = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "npm_config_cache": str(cache_root() / "npm"),
    }
    flags = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([str(folder / "bin" / "npm"), "ci", *flags], cwd=folder, env=given, check=True)
    for program in (folder / "node_modules" / ".bin").glob("*"):
        (folder / "bin" / program.name).symlink_to(program)


def _name(requirement: str) -> str:
    for mark in "[<>=~ ":
        requirement = requirement.partition(mark)[0]
    return requirement


def _count(system: StackSystem) -> int:
    of_python = sum("==" in line for line in system.lock.read_text().splitlines())
    return of_python + (system.node_lock.read_text().count('"node_modules/') if system.node_lock.exists() else 0)


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

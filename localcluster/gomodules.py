"""Go modules beside the programs that are built from them: which version is pinned, and files such as charts."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from localcluster.binaries import Binary, Group
from localcluster.errors import LocalClusterError

_REQUIREMENT = re.compile(r"^\s*(?:require )?(\S+) (v\S+)", re.MULTILINE)


def pinned(program: Binary) -> str:
    """The version of the program's module, such as `v1.9.0`, as the go.mod of its group pins it."""
    found = _REQUIREMENT.findall((program.group.folder / "go.mod").read_text())
    return str(next(version for module, version in found if program.package.startswith(module)))


def downloaded(group: str, module: str, version: str) -> Path:
    """The folder of a module that the go.mod of a group pins; it is downloaded where it is not there yet."""
    command = ("go", "mod", "download", "-json", f"{module}@{version}")
    pinned = Group(group)
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": "-mod=readonly", **pinned.go_settings}
    done = subprocess.run(command, cwd=pinned.folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LocalClusterError(f"{module} {version} cannot be downloaded: {done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["Dir"])

"""Files of Go modules that are no programs: definitions of kinds, charts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from localcluster.binaries import Group
from localcluster.errors import LocalClusterError


def downloaded(group: str, module: str, version: str) -> Path:
    """The folder of a module that the go.mod of a group pins; it is downloaded where it is not there yet."""
    command = ("go", "mod", "download", "-json", f"{module}@{version}")
    pinned = Group(group)
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": "-mod=readonly", **pinned.go_settings}
    done = subprocess.run(command, cwd=pinned.folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LocalClusterError(f"{module} {version} cannot be downloaded: {done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["Dir"])

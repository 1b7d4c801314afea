"""The CustomResourceDefinitions of the Gateway API, from its Go module: its standard channel, as gateways bring it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from localcluster.errors import LocalClusterError
from localcluster.paths import MODULES

MODULE = "sigs.k8s.io/gateway-api"
VERSION = "v1.6.1"


def definition(plural: str) -> Path:
    """The file of one kind, such as `httproutes`; the module is downloaded where it is not there yet."""
    command = ("go", "mod", "download", "-json", f"{MODULE}@{VERSION}")
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
    done = subprocess.run(
        command, cwd=MODULES / "gateway-api", env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LocalClusterError(f"the Gateway API cannot be downloaded: {done.stdout}{done.stderr}")
    folder = Path(json.loads(done.stdout)["Dir"])
    return folder / "config" / "crd" / "standard" / f"gateway.networking.k8s.io_{plural}.yaml"

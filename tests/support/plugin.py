"""`kubectl viridian` as people install it: in an environment of its own, with the official client."""

from __future__ import annotations

import os

from localcluster.paths import REPOSITORY, cache_root
from tests.support.kube import Kubectl


def started(kubectl: Kubectl, namespace: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment of one command."""
    python = cache_root() / "cli-venv" / "bin" / "python"
    known = {"PYTHONPATH": str(REPOSITORY / "operator"), "KUBECONFIG": str(kubectl.kubeconfig), "COLUMNS": "80"}
    return [str(python), "-m", "viridian.cli", *arguments, "-n", namespace], {**os.environ, **known}

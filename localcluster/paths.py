"""Where everything lies: one folder in the user's cache, and temporary folders for control planes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
MODULES = Path(__file__).resolve().parent / "modules"


def cache_root(environ: Mapping[str, str] | None = None) -> Path:
    """The folder that survives between runs: ``$VIRIDIAN_CACHE``, else ``viridian`` in the user's cache."""
    variables = os.environ if environ is None else environ
    if chosen := variables.get("VIRIDIAN_CACHE"):
        return Path(chosen).absolute()
    base = variables.get("XDG_CACHE_HOME") or Path(variables.get("HOME") or Path.home()) / ".cache"
    return Path(base).absolute() / "viridian"


def binaries_root() -> Path:
    return cache_root() / "bin"


def images_root() -> Path:
    return cache_root() / "images"


def node_root() -> Path:
    """The folder itself, whatever links lead to it: the kernel lists the node's mounts below that one."""
    return (cache_root() / "node").resolve()

"""Files of the version that the operator may read: what it needs for telling drift, and for verifying that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from viridian.api.manifest import MANIFEST_PATH
from viridian.api.profile import BUNDLE_PATH, PROFILE_PATH

SHOWN: Final[Mapping[str, str]] = {f"{BUNDLE_PATH}/{name}": name for name in (PROFILE_PATH, MANIFEST_PATH)}
"""From paths of the management port to files of the version; no other file is ever shown."""


def content(directory: Path, name: str) -> bytes | None:
    """The file as it lies in the version; None where there is none, or where a link leads out of the version."""
    path = directory / name
    if not path.is_file() or not path.resolve().is_relative_to(directory.resolve()):
        return None
    return path.read_bytes()

"""Rows of one commit, fetched by Git itself: of its history and of other commits nothing is fetched."""

import os
import subprocess
import sys
from pathlib import Path


def rows_of_the_run(folder: Path) -> Path:
    """The file that VIRIDIAN_DATA_URI names, as VIRIDIAN_DATA_REVISION has it; compared with VIRIDIAN_DATA_DIGEST."""
    commit, digest = os.environ["VIRIDIAN_DATA_REVISION"], os.environ["VIRIDIAN_DATA_DIGEST"]
    scheme, _, address = os.environ["VIRIDIAN_DATA_URI"].removeprefix("git+").partition("://")
    repository, _, path = address.partition("//")
    git(folder, "init", "-q")
    git(folder, "fetch", "-q", "--depth=1", f"{scheme}://{repository}", commit)
    git(folder, "checkout", "-q", commit, "--", path)
    if (found := f"git-blob:{git(folder, 'hash-object', path)}") != digest:
        sys.exit(f"{path} of {commit} is {found}; the run was given {digest}")
    return folder / path


def git(folder: Path, *arguments: str) -> str:
    """What Git prints."""
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

"""The state of the project that an upgrade begins from: its chart, and its operator in an image of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from localcluster import clusters, images
from localcluster.images import DOCKERFILE, PROJECT, Image
from localcluster.paths import REPOSITORY

COMMIT: Final = "373703e991f970a507d138ca9b6df18ed0af8e0d"
"""Nothing has been released yet: this stands in for the last release, until that has a tag."""
REPOSITORY_OF_IMAGE: Final = "viridian/operator-previous"


def is_known() -> bool:
    """Whether this copy of the repository has that state; a shallow one has not."""
    command = ["git", "cat-file", "-e", COMMIT]
    return subprocess.run(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL, check=False).returncode == 0


def checked_out(folder: Path) -> Path:
    """The files of that state; the recipe of images is today's, whose layers of dependencies are built already."""
    done = subprocess.run(["git", "archive", "--format=tar", COMMIT], cwd=REPOSITORY, capture_output=True, check=True)
    folder.mkdir()
    subprocess.run(["tar", "--extract", f"--directory={folder}"], input=done.stdout, check=True)
    for name in (DOCKERFILE, "locks"):
        today, there = REPOSITORY / name, folder / name
        shutil.copytree(today, there, dirs_exist_ok=True) if today.is_dir() else shutil.copy(today, there)
    return folder


def load_operator(tree: Path) -> None:
    """Into the node that runs."""
    image = Image("operator-previous", ("locks/operator.txt", *PROJECT), target="operator", context=tree)
    clusters.choose().load(images.build_images([image]))

"""A base image without a registry: Debian with Python, bootstrapped on this computer and kept in the cache.

Two of them from one bootstrap: one with pip and venv to build in, one without to run.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster import host
from localcluster.console import step
from localcluster.engine import Engine, Recipe, run
from localcluster.paths import images_root

DIGESTED = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
"""A reference that names one image for good."""

SUITE = "bookworm"  # its Python is 3.11
PACKAGES = ("python3", "python3-pip", "python3-venv", "ca-certificates", "tzdata")
BUILD_ONLY = (
    "python3-pip", "python3-venv", "python3.11-venv", "python3-pip-whl", "python3-setuptools-whl",
    "python3-setuptools", "python3-wheel", "python3-pkg-resources", "python3-distutils", "python3-lib2to3",
)  # fmt: skip
# Caches and documentation, which no container reads.
SUPERFLUOUS = (
    "var/cache/apt", "var/lib/apt/lists", "var/log",
    "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info",
)  # fmt: skip


@dataclass(frozen=True)
class Bases:
    """References for the Dockerfile's arguments BASE and BUILD_BASE, and a key that changes when they do."""

    key: str
    arguments: dict[str, str]


def named(engine: str, base: str) -> Bases:
    """One image to build in and to run, instead of those that the Dockerfile or this computer would take."""
    return Bases(f"{engine} {base}", {"BASE": base, "BUILD_BASE": base})


def recipe_key() -> str:
    text = "\0".join((SUITE, *PACKAGES, "", *BUILD_ONLY, "", *SUPERFLUOUS))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def bootstrapped(engine: Engine, log: Path) -> Bases:
    """The two base images, made when they are not there yet."""
    key = recipe_key()
    references = {argument: f"localhost/viridian/{argument.lower()}:{key}" for argument in ("BASE", "BUILD_BASE")}
    stamp = images_root() / f"base-{key}.done"
    if not stamp.exists():
        host.require_root("bootstrapping a base image")
        host.require_programs({"debootstrap": "debootstrap"})
        with step("bootstrapping the base image"), tempfile.TemporaryDirectory(dir=images_root()) as folder:
            _bootstrap(Path(folder), engine, references, log)
        stamp.touch()
    return Bases(key, references)


def _bootstrap(folder: Path, engine: Engine, references: dict[str, str], log: Path) -> None:
    root = folder / "root"
    run(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)], log)
    for name in SUPERFLUOUS:
        shutil.rmtree(root / name)
        (root / name).mkdir()
    _import(root, engine, references["BUILD_BASE"], log)
    run(["chroot", str(root), "dpkg", "--purge", "--force-depends", *_installed(root, BUILD_ONLY)], log)
    _import(root, engine, references["BASE"], log)


def _installed(root: Path, packages: Sequence[str]) -> list[str]:
    """A package that the suite merges into another must not stop the build."""
    listing = ["chroot", str(root), "dpkg-query", "--show", "--showformat=${Package}\\n"]
    known = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
    return [package for package in packages if package in known]


def _import(root: Path, engine: Engine, reference: str, log: Path) -> None:
    context = root.parent
    archive = context / "root.tar"
    run(
        ["tar", "--create", f"--file={archive}", "--numeric-owner", "--one-file-system", f"--directory={root}", "."],
        log,
    )
    dockerfile = context / "Dockerfile"
    dockerfile.write_text('FROM scratch\nADD root.tar /\nCMD ["python3"]\n')
    (context / ".dockerignore").write_text("*\n!root.tar\n")
    engine.build(Recipe(dockerfile, context, reference), log)

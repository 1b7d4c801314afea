"""`kubectl viridian` as one file for each platform, and the manifest by which krew installs it.

    python -m release.zipapp                              for the Python that runs it: dist/kubectl-viridian.pyz
    python -m release.zipapp --base-url https://…/v0.1.0  dist/kubectl-viridian-<platform>.tar.gz for all platforms, and
                                                          dist/viridian.krew.yaml, which finds them below the address

A file needs nothing but one of the Pythons of its platform. It is made by pex from `locks/cli.txt`, hashes and all.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from localcluster.environments import install
from localcluster.paths import cache_root
from release.pins import LOCKS, ROOT

DIST: Final = ROOT / "dist"
PLATFORMS: Final[Mapping[tuple[str, str], str]] = {
    ("linux", "amd64"): "manylinux2014_x86_64",
    ("linux", "arm64"): "manylinux2014_aarch64",
    ("darwin", "arm64"): "macosx_11_0_arm64",
}
"""By system and processor, as krew names them: the oldest tag of wheels for it."""
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
_ENTRY: Final = "viridian.cli.main:plugin"
PROGRAM: Final = "kubectl-viridian"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m release.zipapp", description=__doc__)
    parser.add_argument("--base-url", default="", help="where the archives will be: builds all platforms")
    parser.add_argument("--output", type=Path, default=DIST, help="a folder")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    if not options.base_url:
        print(build(options.output / f"{PROGRAM}.pyz"))
        return 0
    archives = {platform: archived(options.output, *platform) for platform in PLATFORMS}
    manifest = options.output / "viridian.krew.yaml"
    manifest.write_text(yaml.safe_dump(krew_manifest(archives, options.base_url, _version()), sort_keys=False))
    print(manifest)
    return 0


def build(file: Path, tags: Sequence[str] = ()) -> Path:
    """One file with all that `viridian[cli]` needs; without tags for the Python that runs this."""
    environment = cache_root() / "pex-venv"
    install(environment, LOCKS / "pex.txt")
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder) / "sources"
        shutil.copytree(
            ROOT / "operator" / "viridian", sources / "viridian", ignore=shutil.ignore_patterns("__pycache__")
        )
        settings = {**os.environ, "PEX_ROOT": str(cache_root() / "pex")}
        subprocess.run([str(environment / "bin" / "pex"), *_flags(sources, file, tags)], check=True, env=settings)
    return file


def _flags(sources: Path, file: Path, tags: Sequence[str]) -> list[str]:
    wheels = ["--requirement", str(LOCKS / "cli.txt"), "--no-build", "--use-pip-config"]
    # Wheels are compressed already.
    wheels += ["--no-pre-install-wheels", "--no-compress"]
    # A shell that looks for one of the Pythons: `python3` may be another one, or missing.
    shape = ["--sources-directory", str(sources), "--entry-point", _ENTRY, "--sh-boot", "--output-file", str(file)]
    return [*wheels, *shape, *(flag for tag in tags for flag in ("--platform", tag))]


def platform_tags(system: str, processor: str) -> list[str]:
    """As pex names them: `manylinux2014_x86_64-cp-311-cp311`."""
    digits = [version.replace(".", "") for version in PYTHONS]
    return [f"{PLATFORMS[system, processor]}-cp-{one}-cp{one}" for one in digits]


def archived(folder: Path, system: str, processor: str) -> Path:
    """The archive of a platform, as krew wants it."""
    archive = folder / f"{PROGRAM}-{system}-{processor}.tar.gz"
    with tempfile.TemporaryDirectory() as made, tarfile.open(archive, "w:gz") as packed:
        packed.add(build(Path(made) / PROGRAM, platform_tags(system, processor)), PROGRAM)
        packed.add(ROOT / "LICENSE", "LICENSE")
    return archive


def krew_manifest(archives: Mapping[tuple[str, str], Path], base_url: str, version: str) -> dict[str, Any]:
    """What `kubectl krew install --manifest` reads."""
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "viridian"},
        "spec": {
            "version": f"v{version}",
            "homepage": "https://viridian.dev",
            "shortDescription": "Roll out, judge and retrain machine-learning models",
            "description": "Shows ModelDeployments and RetrainPolicies of Viridian, and gives orders about them.",
            "caveats": f"Needs Python {PYTHONS[0]} or newer, up to {PYTHONS[-1]}.",
            "platforms": [
                {
                    "selector": {"matchLabels": {"os": system, "arch": processor}},
                    "uri": f"{base_url.rstrip('/')}/{archive.name}",
                    "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
                    "bin": PROGRAM,
                }
                for (system, processor), archive in archives.items()
            ],
        },
    }


def _version() -> str:
    text = (ROOT / "pyproject.toml").read_text()
    return next(line for line in text.splitlines() if line.startswith("version = ")).split('"')[1]


if __name__ == "__main__":
    raise SystemExit(main())

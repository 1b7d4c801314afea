"""The program that builds and pushes images: Docker when its engine answers, else buildah or podman, without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from localcluster import host
from localcluster.errors import LocalClusterError
from localcluster.paths import images_root

ENGINE_PATIENCE_SECONDS = 10
NO_ENGINE = """\
nothing that builds images was found: no Docker engine answers (`docker version`), neither does podman (`podman
  version`), and buildah is used as root only. Start Docker, install podman, or run this as root on Debian, where
  buildah is installed from its package."""


@dataclass(frozen=True)
class Recipe:
    """What is asked of an engine: one target of one Dockerfile."""

    dockerfile: Path
    context: Path
    reference: str
    target: str = ""
    arguments: Mapping[str, str] | None = None
    secrets: Mapping[str, Path] | None = None

    def options(self) -> list[str]:
        """The options that Docker and buildah share."""
        options = [f"--file={self.dockerfile}", f"--tag={self.reference}"]
        options += [f"--target={self.target}"] if self.target else []
        options += [f"--build-arg={name}={value}" for name, value in (self.arguments or {}).items()]
        options += [f"--secret=id={name},src={path}" for name, path in (self.secrets or {}).items()]
        return options


class Engine(Protocol):
    """Builds an image, writes it as a folder in the OCI image layout, and pushes it to a registry."""

    name: str

    def build(self, recipe: Recipe, log: Path) -> None: ...

    def export(self, reference: str, layout: Path, log: Path) -> None: ...

    def push(self, reference: str, target: str, log: Path, *, insecure: bool) -> str:
        """The digest under which the registry has it. Logged in with the program's own `login`."""


class Docker:
    name = "docker"

    def build(self, recipe: Recipe, log: Path) -> None:
        run(["docker", "build", "--network=host", *recipe.options(), str(recipe.context)], log)

    def export(self, reference: str, layout: Path, log: Path) -> None:
        shutil.rmtree(layout, ignore_errors=True)
        layout.mkdir()
        with tempfile.NamedTemporaryFile(dir=layout.parent, suffix=".tar") as archive:
            run(["docker", "save", f"--output={archive.name}", reference], log)
            run(["tar", "--extract", f"--file={archive.name}", f"--directory={layout}"], log)
        if not (layout / "index.json").exists():
            raise LocalClusterError("this Docker saves images in an old form; version 25 or newer is needed")

    def push(self, reference: str, target: str, log: Path, *, insecure: bool) -> str:  # noqa: ARG002
        """Whether a registry may go without TLS is a setting of Docker's own engine; localhost always may."""
        run(["docker", "tag", reference, target], log)
        run(["docker", "push", target], log)
        known = ["docker", "image", "inspect", "--format={{range .RepoDigests}}{{println .}}{{end}}", target]
        listing = subprocess.run(known, capture_output=True, text=True, check=True).stdout
        return digest_in(listing, target.rpartition(":")[0])


def digest_in(listing: str, repository: str) -> str:
    """Of the line `repository@digest`; Docker lists every registry that it has pushed the image to."""
    lines = [line.partition("@") for line in listing.split()]
    return next(digest for name, _, digest in lines if name == repository)


class _Containers:
    """What buildah and podman have in common: they are made of the same parts."""

    name: str
    _program: list[str]

    def export(self, reference: str, layout: Path, log: Path) -> None:
        # Every layer is compressed anew at each export, so the cheapest compression wins, and the same layer
        # comes out with the same digest. Measured on a server image of 514 MB: 4 s of computing instead of 12.
        compression = ("--compression-format=zstd", "--compression-level=1")
        run([*self._program, "push", *compression, reference, f"oci:{layout}:{reference}"], log)

    def push(self, reference: str, target: str, log: Path, *, insecure: bool) -> str:
        with tempfile.TemporaryDirectory() as folder:
            digest = Path(folder) / "digest"
            options = [f"--digestfile={digest}", *(["--tls-verify=false"] if insecure else [])]
            run([*self._program, "push", *options, reference, f"docker://{target}"], log)
            return digest.read_text().strip()


class Buildah(_Containers):
    """Keeps its layers in the project's cache, and works in a chroot, so that no daemon and no network is set up."""

    name = "buildah"

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise LocalClusterError(NO_ENGINE)
        host.require_programs({"buildah": "buildah"})
        root = images_root() / "storage"
        self._program = ["buildah", f"--root={root}", f"--runroot={images_root() / 'run'}"]

    def build(self, recipe: Recipe, log: Path) -> None:
        run([*self._program, "bud", "--isolation=chroot", "--layers", *recipe.options(), str(recipe.context)], log)


class Podman(_Containers):
    """Needs no root, and pulls the base images from a registry, as Docker does."""

    name = "podman"

    def __init__(self) -> None:
        self._program = ["podman"]

    def build(self, recipe: Recipe, log: Path) -> None:
        run(["podman", "build", "--layers", "--network=host", *recipe.options(), str(recipe.context)], log)


def kind() -> type[Docker] | type[Buildah] | type[Podman]:
    """Docker where its engine answers; as root buildah, which comes from Debian where it is missing; else podman."""
    if docker_answers():
        return Docker
    if os.geteuid() == 0 and shutil.which("buildah"):
        return Buildah
    return Podman if _answers("podman") else Buildah


def find() -> Engine:
    """The one to build with; an error that says what to install where there is none."""
    return kind()()


def docker_answers() -> bool:
    return _answers("docker", "--format={{.Server.Version}}")


def _answers(program: str, *options: str) -> bool:
    """Whether there is an engine behind the program; the program alone is no sign of it."""
    if shutil.which(program) is None:
        return False
    command = [program, "version", *options]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=ENGINE_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def run(command: Sequence[str], log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as out:
        result = subprocess.run(command, stdout=out, stderr=out, check=False)
    if result.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise LocalClusterError(f"`{' '.join(command[:4])} …` failed; the end of {log}:\n{tail}")

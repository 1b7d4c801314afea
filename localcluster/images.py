"""The images: built when something they are made of has changed, kept as archives, loaded where they differ."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster import engine as engines
from localcluster import pipsettings
from localcluster.baseimage import Bases, bootstrapped, recipe_key
from localcluster.binaries import binary
from localcluster.console import say, step
from localcluster.engine import Docker, Engine, Recipe
from localcluster.errors import LocalClusterError
from localcluster.ociarchive import write_program_image
from localcluster.paths import REPOSITORY, images_root

TAG = "dev"
DOCKERFILE = "Dockerfile"
PROJECT = ("pyproject.toml", "README.md", "LICENSE", "locks/build.txt", "operator")


@dataclass(frozen=True)
class Image:
    """One target of the Dockerfile and the files of the repository that go into it."""

    name: str
    inputs: tuple[str, ...]

    @property
    def reference(self) -> str:
        return reference(self.name)


IMAGES = (
    Image("operator", ("locks/operator.txt", *PROJECT)),
    Image("server", ("locks/server.txt", *PROJECT)),
    Image("trainer", ("locks/trainer.txt", *PROJECT)),
    Image("mlflow", ("locks/mlflow.txt",)),
)
PROGRAMS = ("pause", "coredns")


def reference(name: str) -> str:
    """The full name, as the node knows the image that manifests call ``viridian/<name>:dev``."""
    return f"docker.io/viridian/{name}:{TAG}"


def select(names: Sequence[str]) -> list[Image]:
    known = {image.name: image for image in IMAGES}
    if unknown := [name for name in names if name not in known]:
        raise LocalClusterError(f"there is no image {', '.join(unknown)}; known are: {', '.join(known)}")
    return [known[name] for name in names] if names else list(IMAGES)


def build(names: Sequence[str] = ()) -> dict[str, Path]:
    """Build what has changed; return each image's archive by name."""
    wanted = select(names)
    images_root().mkdir(parents=True, exist_ok=True)
    docker = engines.docker_answers()
    archives = {image.name: _archive(image, "docker" if docker else recipe_key()) for image in wanted}
    if stale := [image for image in wanted if not archives[image.name].exists()]:
        engine = engines.find()
        log = images_root() / "build.log"
        log.unlink(missing_ok=True)
        bases = Bases("docker", {}) if isinstance(engine, Docker) else bootstrapped(engine, log)
        for image in stale:
            with step(f"building the image viridian/{image.name}:{TAG}"):
                _build(image, engine, bases, archives[image.name], log)
    return archives


def _archive(image: Image, base_key: str) -> Path:
    return images_root() / f"{image.name}-{input_key(REPOSITORY, (DOCKERFILE, *image.inputs), base_key)}.tar"


def input_key(root: Path, inputs: Iterable[str], *extra: str) -> str:
    """A short hash over the names and contents of files; a folder counts with all that is in it."""
    digest = hashlib.sha256("\0".join(extra).encode())
    for path in sorted(file for name in inputs for file in _files(root / name)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root)}\0{content}\n".encode())
    return digest.hexdigest()[:12]


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    else:
        yield path


def _build(image: Image, engine: Engine, bases: Bases, archive: Path, log: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        secrets = pipsettings.secrets(Path(folder))
        recipe = Recipe(REPOSITORY / DOCKERFILE, REPOSITORY, image.reference, image.name, bases.arguments, secrets)
        engine.build(recipe, log)
    fresh = archive.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    engine.save(image.reference, fresh, log)
    _replace_archives(image.name, fresh, archive)


def _replace_archives(name: str, fresh: Path, archive: Path) -> None:
    for old in images_root().glob(f"{name}-*.tar"):
        old.unlink()
    fresh.replace(archive)


def load_programs(ctr: Callable[..., str]) -> None:
    """Load the images that hold one of our own programs and nothing else."""
    load({name: _program_archive(name) for name in PROGRAMS}, ctr)


def _program_archive(name: str) -> Path:
    program = binary(name)
    archive = images_root() / f"{name}-{program.path.parent.name.rpartition('-')[2]}.tar"
    if not archive.exists():
        images_root().mkdir(parents=True, exist_ok=True)
        fresh = archive.with_suffix(".new")
        write_program_image(fresh, reference(name), {f"/{name}": program.path}, [f"/{name}"])
        _replace_archives(name, fresh, archive)
    return archive


def load(archives: dict[str, Path], ctr: Callable[..., str]) -> None:
    """Import those archives into the node that it does not have already."""
    present = loaded(ctr("images", "ls"))
    for name, archive in archives.items():
        digest = archive_digest(archive)
        if digest is not None and present.get(reference(name)) == digest:
            say(f"viridian/{name}:{TAG} is loaded already")
            continue
        with step(f"loading viridian/{name}:{TAG}"):
            ctr("images", "import", str(archive))


def loaded(listing: str) -> dict[str, str]:
    """Digest by name, out of what ``ctr images ls`` prints: a heading, then name, type, digest and more per line."""
    lines = (line.split() for line in listing.splitlines()[1:])
    return {fields[0]: fields[2] for fields in lines if len(fields) > 2}


def archive_digest(archive: Path) -> str | None:
    """The digest of the one image of an archive; None when the archive does not tell."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name == "index.json" and (content := tar.extractfile(member)):
                manifests = json.load(content)["manifests"]
                return str(manifests[0]["digest"]) if len(manifests) == 1 else None
    return None

"""The images: built when something they are made of has changed, kept as folders, loaded where they differ."""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from localcluster import engine as engines
from localcluster import ocilayout, pipsettings
from localcluster.baseimage import Bases, bootstrapped, named, recipe_key
from localcluster.binaries import binary
from localcluster.console import say, step
from localcluster.engine import Buildah, Engine, Recipe
from localcluster.errors import LocalClusterError
from localcluster.paths import REPOSITORY, images_root

TAG = "dev"
DOCKERFILE = "Dockerfile"
PROJECT = ("pyproject.toml", "README.md", "LICENSE", "locks/build.txt", "operator")


@dataclass(frozen=True)
class Image:
    """One target of a Dockerfile and the files of the repository that go into it."""

    name: str
    inputs: tuple[str, ...]
    dockerfile: str = DOCKERFILE
    target: str = ""
    """Where it is not the name of the image."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Of the build, beside the base."""
    context: Path = REPOSITORY
    """Where Dockerfile and files lie."""

    @property
    def reference(self) -> str:
        return reference(self.name)


IMAGES = (
    Image("operator", ("locks/operator.txt", *PROJECT)),
    Image("server", ("locks/server.txt", *PROJECT)),
    Image("collector", ("locks/collector.txt", *PROJECT)),
    Image("dashboard", ("locks/dashboard.txt", *PROJECT)),
    Image("trainer", ("locks/server.txt", "locks/trainer.txt", *PROJECT)),
    Image("mlflow", ("locks/server.txt", "locks/trainer.txt", "locks/mlflow.txt")),
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


def build(names: Sequence[str] = (), base: str = "") -> dict[str, Path]:
    """Build what has changed, from the named base if there is one; return the folder of each image, by name."""
    return build_images(select(names), base)


def build_images(wanted: Sequence[Image], base: str = "") -> dict[str, Path]:
    """The same for images that may be other ones than those of the product."""
    images_root().mkdir(parents=True, exist_ok=True)
    with _only_builder():
        kind = engines.kind()
        base_key = named(kind.name, base).key if base else recipe_key() if kind is Buildah else kind.name
        keys = {image.name: input_key(image.context, (image.dockerfile, *image.inputs), base_key) for image in wanted}
        stale = [image for image in wanted if _stamp(image.name) != keys[image.name]]
        if stale:
            _build_all(stale, keys, base)
    return {image.name: layout_of(image.name) for image in wanted}


def layout_of(name: str) -> Path:
    return images_root() / name


@contextmanager
def _only_builder() -> Iterator[None]:
    with (images_root() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_all(stale: Iterable[Image], keys: dict[str, str], base: str) -> None:
    engine = engines.find()
    log = images_root() / "build.log"
    log.unlink(missing_ok=True)
    if base:
        bases = named(engine.name, base)
    else:
        bases = bootstrapped(engine, log) if isinstance(engine, Buildah) else Bases(engine.name, {})
    for image in stale:
        with step(f"building the image viridian/{image.name}:{TAG}"):
            _build(image, engine, bases, log)
        _stamp_path(image.name).write_text(keys[image.name])


def _stamp(name: str) -> str:
    """The key of the inputs that the image in the cache was built from."""
    path = _stamp_path(name)
    return path.read_text() if path.exists() else ""


def _stamp_path(name: str) -> Path:
    return images_root() / f"{name}.key"


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


def _build(image: Image, engine: Engine, bases: Bases, log: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        secrets = pipsettings.secrets(Path(folder))
        recipe = Recipe(
            dockerfile=image.context / image.dockerfile,
            context=image.context,
            reference=image.reference,
            target=image.target or image.name,
            arguments={**bases.arguments, **image.arguments},
            secrets=secrets,
        )
        engine.build(recipe, log)
    _stamp_path(image.name).unlink(missing_ok=True)
    engine.export(image.reference, layout_of(image.name), log)
    ocilayout.prune(layout_of(image.name))


def program_images() -> dict[str, Path]:
    """The images that hold one of our own programs and nothing else."""
    for name in PROGRAMS:
        path = binary(name).path
        program_image(name, path.parent.name, {f"/{name}": path})
    return {name: layout_of(name) for name in PROGRAMS}


def program_image(name: str, key: str, files: Mapping[str, Path], *, temporary: bool = False) -> Path:
    """The folder of an image that holds these files and runs the first of them; written when the key has changed."""
    layout = layout_of(name)
    if not has_key(name, key):
        layout.mkdir(parents=True, exist_ok=True)
        ocilayout.write_program_image(layout, reference(name), files, [next(iter(files))], temporary=temporary)
        ocilayout.prune(layout)
        _stamp_path(name).write_text(key)
    return layout


def has_key(name: str, key: str) -> bool:
    """Whether the image in the cache was made from what the key stands for."""
    return _stamp(name) == key


class Containerd(Protocol):
    """The two things that loading needs of a node."""

    def ctr(self, *arguments: str) -> str: ...

    def import_images(self, write: Callable[[IO[bytes]], None]) -> None: ...


def load(layouts: dict[str, Path], node: Containerd) -> None:
    """Import into the node those images that it does not have already, and of them only the layers it lacks."""
    present = loaded(node.ctr("images", "ls"))
    for name, layout in layouts.items():
        if present.get(reference(name)) == ocilayout.digest(layout):
            say(f"viridian/{name}:{TAG} is loaded already")
            continue
        with step(f"loading viridian/{name}:{TAG}"):
            known = node.ctr("content", "ls", "--quiet").split()
            node.import_images(partial(ocilayout.pack, layout, without=known))


def loaded(listing: str) -> dict[str, str]:
    """Digest by name, out of what ``ctr images ls`` prints: a heading, then name, type, digest and more per line."""
    lines = (line.split() for line in listing.splitlines()[1:])
    return {fields[0]: fields[2] for fields in lines if len(fields) > 2}

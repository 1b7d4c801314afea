"""What the locks pin: packages of Python for each image, and modules of Go for the local cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "locks"
MODULES = ROOT / "localcluster" / "modules"
IMAGES = ("operator", "server", "collector", "dashboard", "trainer", "mlflow")
PYPI, GO = "PyPI", "Go"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;\\]+)\s*(;\s*(?P<marker>[^\\]+?))?\s*\\?$")
_HASH = re.compile(r"^--hash=sha256:([0-9a-f]{64})")
_REQUIRE = re.compile(r"^\s*(?:require\s+)?(?P<name>[\w.~/-]+\.[\w.~/-]+)\s+(?P<version>v\S+)")
_REPLACE = re.compile(r"^\s*(?:replace\s+)?(?P<old>\S+)(\s+v\S+)?\s+=>\s+(?P<name>\S+)\s+(?P<version>v\S+)")
# Images are built for Linux with this Python, whatever computer reads the lock.
_PYTHON = "3.11"
_IN_IMAGES = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "python_version": _PYTHON,
    "python_full_version": f"{_PYTHON}.9",
}


@dataclass(frozen=True, order=True)
class Pin:
    """A package at exactly one version."""

    ecosystem: str
    name: str
    version: str
    hashes: tuple[str, ...] = ()
    """SHA-256 of the files that may be installed."""
    everywhere: bool = True
    """Whether it is installed in an image; on other systems alone otherwise."""


def locked(file: Path) -> list[Pin]:
    """Every pin of a lock; raises ValueError for a line that is no pin, since what is not read is not audited."""
    entries = file.read_text().replace("\\\n", "\n").splitlines()
    pins: list[Pin] = []
    for line in map(str.strip, entries):
        if not line or line.startswith("#"):
            continue
        if (hashed := _HASH.match(line)) is not None and pins:
            last = pins.pop()
            pins.append(Pin(last.ecosystem, last.name, last.version, (*last.hashes, hashed[1]), last.everywhere))
        elif (found := _PIN.match(line)) is not None:
            marker = found["marker"]
            here = marker is None or Marker(marker).evaluate(dict(_IN_IMAGES))
            pins.append(Pin(PYPI, canonicalize_name(found["name"]), found["version"], everywhere=here))
        else:
            raise ValueError(f"{file.name}: {line[:80]!r} is no pin")
    return pins


def of_image(name: str) -> list[Pin]:
    """What is installed in an image."""
    return [pin for pin in locked(LOCKS / f"{name}.txt") if pin.everywhere]


def modules(file: Path) -> Iterator[Pin]:
    """Every module of a go.mod, the indirect ones too, and what is taken in the place of another."""
    lines = file.read_text().splitlines()
    replaced = {found["old"]: found for line in lines if (found := _REPLACE.match(line)) is not None}
    for line in lines:
        if (found := _REQUIRE.match(line)) is not None:
            taken = replaced.get(found["name"], found)
            yield Pin(GO, taken["name"], taken["version"])


def everything() -> dict[str, list[Pin]]:
    """All pins of the project, by the file that has them."""
    locks = {str(file.relative_to(ROOT)): locked(file) for file in sorted(LOCKS.rglob("*.txt"))}
    return locks | {str(file.relative_to(ROOT)): list(modules(file)) for file in sorted(MODULES.glob("*/go.mod"))}

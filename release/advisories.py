"""Advisories in the OSV format, and whether one is about a version.

Read from files alone: a file of one advisory or of a list, a folder of such files, or a zip file of them.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import total_ordering
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from release.pins import GO, PYPI, Pin

ECOSYSTEMS = (PYPI, GO)
Key = tuple[str, str]
"""Ecosystem and name."""


class Unreadable(ValueError):
    """A file that is no advisory: an audit that leaves it out would say more than it knows."""


@dataclass(frozen=True)
class Affected:
    """What an advisory says about one package."""

    advisory: str
    aliases: tuple[str, ...]
    summary: str
    versions: frozenset[str]
    ranges: tuple[tuple[Mapping[str, str], ...], ...]
    """The events of each range."""

    def is_about(self, pin: Pin) -> bool:
        if pin.version in self.versions or pin.version.removeprefix("v") in self.versions:
            return True
        return any(_within(events, pin) for events in self.ranges)

    def __str__(self) -> str:
        return ", ".join((self.advisory, *self.aliases)) + (f": {self.summary}" if self.summary else "")


def read(path: Path) -> dict[Key, list[Affected]]:
    """All advisories below a path about packages of our ecosystems; raises Unreadable."""
    known: dict[Key, list[Affected]] = {}
    for name, text in _texts(path):
        for entry in _entries(name, text):
            if not entry.get("withdrawn"):
                for key, affected in _affected(name, entry):
                    known.setdefault(key, []).append(affected)
    return known


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in (".json", ".zip") and file.is_file():
                yield from _texts(file)
    elif path.suffix == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if name.endswith(".json"):
                        yield f"{path.name}/{name}", archive.read(name)
        except zipfile.BadZipFile:
            raise Unreadable(f"{path} is no zip file") from None
    else:
        yield str(path), path.read_bytes()


def _entries(name: str, text: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"{name} is no JSON: {error}") from None
    for entry in content if isinstance(content, list) else [content]:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise Unreadable(f"{name} has no advisory in the OSV format: an `id` is missing")
        yield entry


def _affected(name: str, entry: Mapping[str, Any]) -> Iterator[tuple[Key, Affected]]:
    try:
        for one in entry.get("affected") or ():
            package = one.get("package") or {}
            ecosystem = str(package.get("ecosystem", "")).partition(":")[0]
            if ecosystem in ECOSYSTEMS:
                yield (
                    (ecosystem, _canonical(ecosystem, str(package["name"]))),
                    Affected(
                        advisory=entry["id"],
                        aliases=tuple(map(str, entry.get("aliases") or ())),
                        summary=str(entry.get("summary") or ""),
                        versions=frozenset(map(str, one.get("versions") or ())),
                        ranges=tuple(
                            tuple(dict(event) for event in found["events"])
                            for found in one.get("ranges") or ()
                            if found.get("type") != "GIT"
                        ),
                    ),
                )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Unreadable(f"{name}: {entry['id']} is not in the OSV format ({error!r})") from None


def _canonical(ecosystem: str, name: str) -> str:
    return canonicalize_name(name) if ecosystem == PYPI else name


def _within(events: Iterable[Mapping[str, str]], pin: Pin) -> bool:
    """As OSV defines it: the events in the order of their versions switch the range on and off.

    Where a bound is no version of the ecosystem, the pin counts as affected: a person has to look.
    """
    order = _pep440 if pin.ecosystem == PYPI else _semver
    try:
        version = order(pin.version)
        switches = sorted(
            ((order(value) if value != "0" else None, kind) for event in events for kind, value in event.items()),
            key=lambda switch: (switch[0] is not None, switch[0]),
        )
    except (InvalidVersion, ValueError):
        return True
    affected = False
    for bound, kind in switches:
        reached = bound is None or version >= bound
        if kind == "introduced" and reached:
            affected = True
        elif (kind == "fixed" and reached) or (kind == "last_affected" and bound is not None and version > bound):
            affected = False
    return affected


@total_ordering
@dataclass(frozen=True)
class _Semantic:
    numbers: tuple[int, int, int]
    pre: tuple[tuple[bool, int, str], ...]

    def __lt__(self, other: _Semantic) -> bool:
        return bool(self._key() < other._key())

    def _key(self) -> Any:
        return self.numbers, not self.pre, self.pre


def _pep440(text: str) -> Any:
    return Version(text)


_SEMVER = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")


def _semver(text: str) -> Any:
    """The order of Semantic Versioning, which Go's modules have: numbers before words, a pre-release before all."""
    found = _SEMVER.fullmatch(text)
    if found is None:
        raise ValueError(text)
    numbers = (int(found[1]), int(found[2] or 0), int(found[3] or 0))
    parts = found[4].split(".") if found[4] else []
    return _Semantic(numbers, tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts))

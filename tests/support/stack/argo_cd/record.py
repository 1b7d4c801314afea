"""What Argo CD has done with models in the newest run of `make argocd`; docs/argocd.md is written from it."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Final

import msgspec

from localcluster.paths import REPOSITORY
from tests.support.stack.run_records import AccountLine, read_record, write_record

FILE: Final = REPOSITORY / "tests" / "stack" / "argo-cd.json"


class ShownCommand(msgspec.Struct, frozen=True, array_like=True):
    """A command of a person, and what it printed."""

    command: str
    output: str


class ArgoScene(msgspec.Struct, frozen=True, kw_only=True):
    """What one test has shown."""

    title: str
    lines: tuple[AccountLine, ...]
    commands: tuple[ShownCommand, ...]


class ArgoRun(msgspec.Struct, frozen=True):
    """A run of all tests."""

    on: date
    files: str
    """The digest of what Argo CD was given."""
    version: str
    """Of Argo CD."""
    scenes: tuple[ArgoScene, ...]


def digest() -> str:
    """Of the files that are shipped for Argo CD: a run is about these and no others."""
    found = hashlib.sha256()
    for folder, names in (("manifests/argocd", "*.yaml"), ("examples/gitops", "argocd-*.yaml")):
        for path in sorted((REPOSITORY / folder).glob(names)):
            content = path.read_bytes()
            found.update(f"{path.name} {len(content)}\n".encode() + content)
    return found.hexdigest()[:32]


def read() -> ArgoRun | None:
    """The newest run; None before the first."""
    return read_record(FILE, ArgoRun)


def write(run: ArgoRun) -> None:
    """For the page."""
    write_record(FILE, run)

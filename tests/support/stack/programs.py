"""Programs that examples need beside the packages of Python and npm which their locks pin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from localcluster import builder
from localcluster.binaries import binary
from localcluster.gomodules import pinned
from tests.support import debian
from tests.support.debian import JAVAC, PROMETHEUS, RSYNC, Program
from tests.support.stack.systems import StackSystem

_FROM_MODULES: Final[Mapping[str, tuple[str, ...]]] = {
    "github-actions": ("act", "actionlint"),
    "jira": ("alertmanager",),
    "quilt": ("versitygw",),
    "s3": ("versitygw",),
}
_OF_DEBIAN: Final[Mapping[str, tuple[Program, ...]]] = {
    "gitlab-ci": (RSYNC,),
    "jenkins": (JAVAC,),
    "jira": (PROMETHEUS,),
}
"""Debian says which versions there are."""


def ensure(system: StackSystem) -> None:
    """The programs are there afterwards, built or installed where they were not."""
    builder.ensure(_FROM_MODULES.get(system.slug, ()))
    debian.ensure(*_OF_DEBIAN.get(system.slug, ()))


def versions_from_modules(system: StackSystem) -> dict[str, str]:
    """Of the programs that are built, as the go.mod of each pins them."""
    return {name: pinned(binary(name)).removeprefix("v") for name in _FROM_MODULES.get(system.slug, ())}

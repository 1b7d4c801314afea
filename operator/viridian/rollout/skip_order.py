"""What `viridian.dev/skip` asks for: `<revision>/<names>`, of steps and of checks, and `#` with anything after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from viridian.api.names import SKIP_ANNOTATION

PROBATION_STEP: Final = "probation"
"""Lets a newer version through before the champion has passed its probation."""
SCHEMA_CHECK: Final = "schema"
"""Tries a version that does not fit the present requests."""
FEATURES_CHECK: Final = "features"
"""Lets a version serve whatever the features of its servers, for as long as the annotation stands."""
SKIPPED_BY_NAME: Final = (PROBATION_STEP, SCHEMA_CHECK, FEATURES_CHECK)
"""What may be named beside the steps of the rollout."""


@dataclass(frozen=True, slots=True)
class SkipOrder:
    """An order of a person to skip some steps and checks for one revision."""

    revision: str
    names: tuple[str, ...]
    suffix: str
    """What follows: `#` and the name of the user, or anything for saying it again; empty where nothing does."""

    @staticmethod
    def parse(value: str) -> SkipOrder:
        """The order in a value of the annotation; one without names asks for nothing."""
        about, mark, suffix = value.partition("#")
        revision, _, named = about.strip().partition("/")
        names = (name.strip() for name in named.split(","))
        return SkipOrder(revision, tuple(dict.fromkeys(name for name in names if name)), mark + suffix)

    def about(self, names: Iterable[str]) -> str:
        """The command as it counts for these names alone."""
        return f"{SKIP_ANNOTATION}={self.revision}/{','.join(names)}{self.suffix}"

    def is_counted(self, name: str, commands: Iterable[str]) -> bool:
        """Whether one of these commands has passed that name by this order before."""
        prefix = f"{SKIP_ANNOTATION}="
        known = (SkipOrder.parse(one.removeprefix(prefix)) for one in commands if one.startswith(prefix))
        return any((one.revision, one.suffix) == (self.revision, self.suffix) and name in one.names for one in known)

    def unknown(self, steps: Sequence[str]) -> tuple[str, ...]:
        """The names that are neither one of these steps nor a check."""
        return tuple(name for name in self.names if name not in steps and name not in SKIPPED_BY_NAME)


def to_skip(value: str, revision: str, *names: str) -> str:
    """What a person writes to skip these checks too, beside those that the annotation names of the revision already."""
    present = SkipOrder.parse(value)
    standing = present.names if present.revision == revision else ()
    return f"{SKIP_ANNOTATION}={revision}/{','.join(dict.fromkeys((*standing, *names)))}"

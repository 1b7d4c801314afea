"""Label selectors as kubectl takes them: `team=ads`, `team!=ads`, `team in (ads, search)`, `team`, `!team`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 1000
_KEY = r"[A-Za-z0-9][A-Za-z0-9._/-]*"
_EQUAL = re.compile(rf"({_KEY}) ?(==|=|!=) ?([A-Za-z0-9._-]*)")
_AMONG = re.compile(rf"({_KEY}) (in|notin) ?\(([A-Za-z0-9._, -]*)\)")
_THERE = re.compile(rf"(!?) ?({_KEY})")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One part: the label is, or with `wanted=False` is not, one of the values; of any value where there are none."""

    key: str
    values: frozenset[str] | None
    wanted: bool

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return found is self.wanted


@dataclass(frozen=True, slots=True)
class Selector:
    """All parts must hold. The text is what the API server is asked with."""

    text: str = ""
    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        return all(requirement.matches(labels or {}) for requirement in self.requirements)


EVERYTHING: Final = Selector()


def parse(text: str) -> Selector:
    """ValueError says which part cannot be read."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a label selector has at most {MAX_LENGTH} characters")
    plain = " ".join(text.split())
    return Selector(plain, tuple(_requirement(part) for part in _parts(plain)) if plain else ())


def _parts(text: str) -> list[str]:
    """What stands between the commas that are not in brackets."""
    parts, inside = [""], False
    for character in text:
        inside = (inside or character == "(") and character != ")"
        if character == "," and not inside:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _requirement(part: str) -> Requirement:
    if found := _EQUAL.fullmatch(part):
        return Requirement(found[1], frozenset({found[3]}), found[2] != "!=")
    if found := _AMONG.fullmatch(part):
        values = [value.strip() for value in found[3].split(",")]
        if not any(" " in value for value in values):
            return Requirement(found[1], frozenset(values), found[2] == "in")
    if found := _THERE.fullmatch(part):
        return Requirement(found[2], None, not found[1])
    raise ValueError(
        f"{part!r} is no part of a label selector; write for example team=ads, or team notin (ads, search)"
    )

"""What a run of the five systems together came to. The run writes it, and docs/stack-together.md is written from it."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from localcluster.paths import REPOSITORY

FILE: Final = REPOSITORY / "tests" / "stack" / "together.json"


class ToldLine(msgspec.Struct, frozen=True, array_like=True):
    """One line of the account."""

    at: float
    """Seconds since the account began."""
    who: str
    """The program that shows it."""
    what: str


class ToldScene(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the account, with what it took."""

    title: str
    lines: tuple[ToldLine, ...]
    seconds: float


class JointRun(msgspec.Struct, frozen=True, kw_only=True):
    """The whole account."""

    on: date
    versions: dict[str, str]
    scenes: tuple[ToldScene, ...]
    figures: dict[str, str]


def read() -> JointRun | None:
    """The newest account; None before the first."""
    return msgspec.json.decode(FILE.read_bytes(), type=JointRun) if FILE.exists() else None


def write(run: JointRun) -> None:
    """In the form in which it is committed."""
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")

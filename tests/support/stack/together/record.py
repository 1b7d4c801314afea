"""What a run of the five systems together came to. The run writes it, and docs/stack-together.md is written from it."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from localcluster.paths import REPOSITORY
from tests.support.stack.run_records import AccountLine, read_record, write_record

FILE: Final = REPOSITORY / "tests" / "stack" / "together.json"


class ToldScene(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the account, with what it took."""

    title: str
    lines: tuple[AccountLine, ...]
    seconds: float


class JointRun(msgspec.Struct, frozen=True, kw_only=True):
    """The whole account."""

    on: date
    versions: dict[str, str]
    scenes: tuple[ToldScene, ...]
    figures: dict[str, str]


def read() -> JointRun | None:
    """The newest account; None before the first."""
    return read_record(FILE, JointRun)


def write(run: JointRun) -> None:
    """For the page."""
    write_record(FILE, run)

"""What runs leave beside the tests, in the form in which it is committed: pages are written from it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

Record = TypeVar("Record", bound=msgspec.Struct)


class AccountLine(msgspec.Struct, frozen=True, array_like=True):
    """Something that happened, in the account of a run."""

    at: float
    """Seconds since the scene, or the account, began."""
    who: str
    what: str


def read_record(file: Path, kind: type[Record]) -> Record | None:
    """What the newest run has written; None before the first."""
    return msgspec.json.decode(file.read_bytes(), type=kind) if file.exists() else None


def write_record(file: Path, record: msgspec.Struct) -> None:
    """For the next reader, and for the repository."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")

"""What may be kept of a row that was answered, and in which form. Applied by the server, before anything leaves it.

python -m viridian.api.privacy KEY_FILE     reads ids from stdin, one a line, and writes what servers call them
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON of VIRIDIAN_FEEDBACK. What is denied is gone before any other rule sees it."""

    sampling: Annotated[float, msgspec.Meta(ge=0, le=100)] = 100.0
    """Percent of the rows that are sent."""
    deny: tuple[str, ...] = ()
    """Columns that never leave the server."""
    hash: tuple[str, ...] = ()
    """Columns of which only the keyed hash leaves the server."""
    subject: str = ""
    """The column that says whom a row is about: it leaves as the keyed hash in `Prediction.subject` alone."""

    @property
    def needs_key(self) -> bool:
        """Something is hashed."""
        return bool(self.hash or self.subject)


def keyed_hash(key: bytes, value: Any) -> str:
    """HMAC-SHA256 in hexadecimal: who has the key finds the same person again, nobody else can try out values."""
    return hmac.new(key, plain(value).encode(), hashlib.sha256).hexdigest()


def plain(value: Any) -> str:
    """One spelling for what JSON can write in two: 5 and 5.0 are the same customer."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def main() -> None:
    """Hash subjects as servers do: erasing a person's rows needs the hash."""
    parser = argparse.ArgumentParser(
        prog="python -m viridian.api.privacy",
        description="Reads ids from stdin, one a line, and writes the keyed hash of each: what servers put in their "
        "place, and what DELETE /v1/subjects/… of the collector takes. Write whole numbers without a fraction.",
    )
    parser.add_argument("key_file", type=Path, help="the key; in a server's pod, what VIRIDIAN_FEEDBACK_KEY_FILE names")
    path: Path = parser.parse_args().key_file
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        parser.error(f"the key cannot be read from {path}: {error.strerror}")
    if not key:
        parser.error(f"the key in {path} is empty")
    for line in sys.stdin:
        if subject := line.strip():
            sys.stdout.write(f"{keyed_hash(key, subject)}\n")


if __name__ == "__main__":
    main()

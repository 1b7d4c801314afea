"""What a resolver reports: where the data is, which state of it, and what identifies its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BufferedIOBase


class CannotResolve(Exception):
    """Why no state was found, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedData:
    """An immutable state of data. The same content has the same digest, whatever its revision is."""

    uri: str
    revision: str
    digest: str

    def document(self) -> dict[str, str]:
        """As the report of the stage has it."""
        return {"uri": self.uri, "revision": self.revision, "digest": self.digest}


def sha256_of(stream: BufferedIOBase) -> str:
    """`sha256:…` of all that is left in the stream."""
    return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"

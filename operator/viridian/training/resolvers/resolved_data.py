"""What a resolver reports: where the data is, which state of it, and what identifies its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
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


def is_hidden(name: str) -> bool:
    """Whether a file of a folder is left out, such as one that is in the making."""
    return any(part.startswith(".") for part in name.split("/"))


def digest_of_folder(files: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over a line for each file: its digest and its name from there."""
    lines = hashlib.sha256()
    for name, digest in files:
        lines.update(f"{digest} {name}\n".encode("utf-8", "surrogateescape"))
    return lines.hexdigest()


def state_of_files(uri: str, revision: str, digest: str, version: str = "") -> ResolvedData:
    """A revision that is asked for has to be what is there: files have no history."""
    if revision and revision not in (digest, version):
        raise CannotResolve(f"the data is {version or digest}, not the revision {revision}: write that, or none")
    return ResolvedData(uri=uri, revision=version or digest, digest=digest)

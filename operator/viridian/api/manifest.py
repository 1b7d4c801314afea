"""The manifest of a model version: which files belong to it, and their SHA-256.

`viridian/manifest.json` is one JSON object from relative path to hexadecimal SHA-256, in the one form that `render`
writes. It names every file of the version but itself and its signature. The SHA-256 of its bytes is the version's
digest: who knows the digest knows every byte of the model. Reading and hashing files is left to the caller.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

MANIFEST_PATH: Final = "viridian/manifest.json"
SIGNATURE_PATH: Final = "viridian/manifest.sig"
UNLISTED: Final = frozenset({MANIFEST_PATH, SIGNATURE_PATH})
"""Files of a version that its manifest does not name."""
MAX_FILES: Final = 10_000
MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHOWN: Final = 3


class ManifestError(Exception):
    """The files are not the version that was promised; the message is one sentence for people."""


def render(files: Iterable[tuple[str, str]]) -> bytes:
    """The manifest over these (relative path, SHA-256) pairs; manifest and signature themselves are left out."""
    entries: dict[str, str] = {}
    for path, sha in files:
        if path in UNLISTED:
            continue
        if path in entries:
            raise ManifestError(f"{path!r} is listed twice")
        entries[path] = sha
    _check_entries(entries)
    return _canonical(entries)


def digest(document: bytes) -> str:
    """`sha256:…` over the exact bytes of a manifest: the identity of the version."""
    return f"sha256:{hashlib.sha256(document).hexdigest()}"


def parse(document: bytes) -> dict[str, str]:
    """Relative path to SHA-256, from a manifest in exactly the form that `render` writes.

    One form only: otherwise two readers could understand the same bytes differently (repeated keys, for example).
    """
    if len(document) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        entries = json.loads(document)
    except ValueError as error:
        raise ManifestError("the manifest is not JSON") from error
    except RecursionError as error:
        raise ManifestError("the manifest is nested") from error
    if not isinstance(entries, dict) or not all(isinstance(sha, str) for sha in entries.values()):
        raise ManifestError("the manifest is not one JSON object from path to SHA-256")
    _check_entries(entries)
    if _canonical(entries) != document:
        raise ManifestError("the manifest is not in canonical form: sorted keys, no spaces, no repeated keys")
    return entries


def verify(document: bytes, files: Iterable[tuple[str, str]], expected: str = "") -> None:
    """The manifest is the expected one, and the (relative path, SHA-256) pairs are exactly the files that it names.

    `expected` is a digest as `digest` gives it; empty means that nobody promised one.
    """
    if expected:
        check_digest(document, expected)
    promised = parse(document)
    found: dict[str, str] = {}
    for path, sha in files:
        check_path(path)
        if path not in UNLISTED:
            found[path] = sha
    _check_case(found)
    _refuse("the manifest names files that are missing", promised.keys() - found.keys())
    _refuse("files are not in the manifest", found.keys() - promised.keys())
    _refuse("files differ from the manifest", {path for path, sha in found.items() if promised[path] != sha})


def check_digest(document: bytes, expected: str) -> None:
    """These bytes have the digest that was promised."""
    if not _DIGEST.fullmatch(expected):
        raise ManifestError(f"{expected!r} is not a digest; write sha256: and 64 lower-case hexadecimal digits")
    actual = digest(document)
    if actual != expected:
        raise ManifestError(f"the manifest has the digest {actual}, but {expected} was asked for")


def check_path(path: str) -> None:
    """The path stays inside the version's directory on every system that could read it. Blanks are fine."""
    if not path or path.startswith("/") or "\\" in path or not path.isprintable():
        raise ManifestError(f"{path!r} is not a relative path of printable characters")
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise ManifestError(f"{path!r} is not a plain path: it has an empty part, '.' or '..'")


def _check_entries(entries: Mapping[str, str]) -> None:
    if len(entries) > MAX_FILES:
        raise ManifestError(f"a version may have {MAX_FILES} files, not {len(entries)}")
    if not entries:
        raise ManifestError("the manifest names no file")
    for path, sha in entries.items():
        check_path(path)
        if not _SHA256.fullmatch(sha):
            raise ManifestError(f"{path!r} has no SHA-256 of 64 lower-case hexadecimal digits")
    _refuse("the manifest names itself", entries.keys() & UNLISTED)
    _check_case(entries)


def _check_case(paths: Iterable[str]) -> None:
    """Two names that differ by case alone are one file on some file systems, so one could stand in for the other."""
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(path.casefold(), path)
        if other != path:
            raise ManifestError(f"{other!r} and {path!r} differ by case alone")


def _refuse(problem: str, paths: Iterable[str]) -> None:
    listed = sorted(paths)
    if listed:
        more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
        raise ManifestError(f"{problem}: {', '.join(repr(path) for path in listed[:_SHOWN])}{more}")


def _canonical(entries: Mapping[str, str]) -> bytes:
    return json.dumps(entries, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()

"""A model's directory against its manifest: every byte of it is what was promised, by whom it should be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from viridian.api.manifest import MANIFEST_PATH, MAX_FILES, MAX_MANIFEST_BYTES, ManifestError, verify
from viridian.api.rejections import ModelRejection
from viridian.serving.bundle.trusted_keys import ANYONE, Trust, check_signature
from viridian.serving.errors import FetchFailed


def verify_directory(directory: Path, digest: str, trust: Trust = ANYONE) -> None:
    """The manifest was signed as `trust` asks and has that digest, and the directory is exactly what it names.

    Without a digest and a signature, a version without a manifest is taken as it is: plain MLflow models have none.
    """
    try:
        document = _manifest(directory / MANIFEST_PATH)
        check_signature(directory, document, trust)
        if document is not None:
            verify(document, hashed(directory), digest)
        elif digest:
            raise ManifestError(f"the version has no {MANIFEST_PATH}, but the digest {digest} was asked for")
    except ManifestError as error:
        raise FetchFailed(f"the model is refused: {error}", ModelRejection.TAMPERED) from error


def _manifest(path: Path) -> bytes | None:
    if not path.is_file() or path.is_symlink():
        return None
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise ManifestError(f"{MANIFEST_PATH} is larger than {MAX_MANIFEST_BYTES} bytes")
    return path.read_bytes()


def hashed(directory: Path) -> Iterator[tuple[str, str]]:
    """(relative path, SHA-256) of each file below the directory; links and special files are refused."""
    for number, path in enumerate(sorted(directory.rglob("*"))):
        name = path.relative_to(directory).as_posix()
        if number > 2 * MAX_FILES:
            raise ManifestError(f"a version may have {MAX_FILES} files, and this one has more")
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise ManifestError(f"{name!r} is a link or a special file")
        if path.is_file():
            yield name, sha256(path)


def sha256(path: Path) -> str:
    """Of a file, without holding it in memory."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()

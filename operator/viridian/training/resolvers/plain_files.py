"""Files and folders of a volume, and files on a web server: the content itself is their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from viridian.training import web
from viridian.training.resolvers.resolved_data import CannotResolve, ResolvedData, sha256_of

_VERSION_ID: Final = "x-amz-version-id"


def resolve_path(uri: str, revision: str) -> ResolvedData:
    """A file, or all files of a folder by their names and contents."""
    path = Path(unquote(urlsplit(uri).path) if uri.startswith("file:") else uri)
    if not path.exists():
        raise CannotResolve(f"there is no file {path}: mount its volume in the resolver's template")
    digest = _of_folder(path) if path.is_dir() else _of_file(path)
    return _of_content(uri, revision, digest)


def resolve_web(uri: str, revision: str) -> ResolvedData:
    """A file that a GET gives. Its revision is the version id of a bucket with versions, where the server names one."""
    try:
        with web.get(uri) as response:
            version, digest = response.headers.get(_VERSION_ID, ""), sha256_of(response)
    except OSError as error:
        raise CannotResolve(f"the server does not give the file: {error}") from None
    return _of_content(uri, revision, digest, version)


def _of_content(uri: str, revision: str, digest: str, version: str = "") -> ResolvedData:
    """A revision that is asked for has to be what is there: files have no history."""
    if revision and revision not in (digest, version):
        raise CannotResolve(f"the data is {version or digest}, not the revision {revision}: write that, or none")
    return ResolvedData(uri=uri, revision=version or digest, digest=digest)


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return sha256_of(file)


def _of_folder(folder: Path) -> str:
    """Over a line for each file: its digest and its path. Hidden files are left out."""
    files = sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.relative_to(folder).parts
    )
    lines = hashlib.sha256()
    for path in files:
        name = path.relative_to(folder)
        if not any(part.startswith(".") for part in name.parts):
            lines.update(f"{_of_file(path)} {name.as_posix()}\n".encode("utf-8", "surrogateescape"))
    return f"sha256:{lines.hexdigest()}"

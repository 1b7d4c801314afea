"""Files and folders of a volume, and files on a web server: the content itself is their digest."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from viridian.training import web
from viridian.training.resolvers.resolved_data import (
    CannotResolve,
    ResolvedData,
    digest_of_folder,
    is_hidden,
    sha256_of,
    state_of_files,
)

_VERSION_ID: Final = "x-amz-version-id"


def resolve_path(uri: str, revision: str) -> ResolvedData:
    """A file, or all files of a folder by their names and contents."""
    path = Path(unquote(urlsplit(uri).path) if uri.startswith("file:") else uri)
    if not path.exists():
        raise CannotResolve(f"there is no file {path}: mount its volume in the resolver's template")
    digest = _of_folder(path) if path.is_dir() else _of_file(path)
    return state_of_files(uri, revision, digest)


def resolve_web(uri: str, revision: str) -> ResolvedData:
    """A file that a GET gives. Its revision is the version id of a bucket with versions, where the server names one."""
    try:
        with web.get(uri) as response:
            version, digest = response.headers.get(_VERSION_ID, ""), sha256_of(response)
    except OSError as error:
        raise CannotResolve(f"the server does not give the file: {error}") from None
    return state_of_files(uri, revision, digest, version)


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return sha256_of(file)


def _of_folder(folder: Path) -> str:
    files = sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.relative_to(folder).parts
    )
    named = ((path.relative_to(folder).as_posix(), path) for path in files)
    return f"sha256:{digest_of_folder((name, _of_file(path)) for name, path in named if not is_hidden(name))}"

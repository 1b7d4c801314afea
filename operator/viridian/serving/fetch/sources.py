"""Where a model's bytes come from: MLflow's artifact proxy, an archive over HTTP, or a place on this computer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import msgspec

from viridian.api.address import place
from viridian.api.manifest import MAX_FILES, ManifestError
from viridian.api.origins import artifact_origin, origin_of
from viridian.api.rejections import ModelRejection
from viridian.serving.bundle.integrity import hashed
from viridian.serving.errors import FetchFailed
from viridian.serving.fetch.archives import check_name, unpack
from viridian.serving.fetch.transfer import Transfer

_ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts"
_ARCHIVES: Final = (".tar.gz", ".tgz")
_SPOKEN: Final = "mlflow-artifacts:/…, https://….tar.gz, file:///… and file:///….tar.gz are understood"


def bring(uri: str, target: Path, transfer: Transfer, tracking_uri: str) -> None:
    """The target, an empty directory, holds the model's files."""
    parts = urlsplit(uri)
    if parts.scheme == "mlflow-artifacts":
        _from_mlflow(uri, target, transfer, tracking_uri)
    elif parts.scheme in ("http", "https") and parts.path.endswith(_ARCHIVES):
        archive = target / "download.tar.gz"
        transfer.file(uri, archive)
        unpack(archive, target, transfer.reserve)
        archive.unlink()
    elif parts.scheme == "file":
        _from_here(Path(unquote(parts.path)), target, transfer)
    elif parts.scheme == "models":
        raise FetchFailed(f"{place(uri)} must be resolved to the place of its files first; {_SPOKEN}")
    else:
        raise FetchFailed(f"{place(uri)} cannot be fetched; {_SPOKEN}")


def _from_mlflow(uri: str, target: Path, transfer: Transfer, tracking_uri: str) -> None:
    base, root = _proxy(uri, tracking_uri)
    found = 0
    for path in _walk(base, root, transfer):
        found += 1
        if found > MAX_FILES:
            raise FetchFailed(f"{place(uri)} holds more than {MAX_FILES} files")
        transfer.file(f"{base}/{quote(f'{root}/{path}')}", target / path, authorize=True)
    if not found:
        raise FetchFailed(f"MLflow has no files at {place(uri)}")


def _proxy(uri: str, tracking_uri: str) -> tuple[str, str]:
    """Base URL of the artifact proxy, and the path of the model below it."""
    tracking = origin_of(tracking_uri)
    if tracking is None:
        raise FetchFailed("MLFLOW_TRACKING_URI must be the http or https address of the MLflow server")
    named = artifact_origin(uri, tracking)
    if named != tracking:
        raise FetchFailed(
            f"the model lies on {named.authority if named else 'a host that cannot be read'}, but MLFLOW_TRACKING_URI "
            f"is {tracking}, and nothing is asked of another MLflow server: write mlflow-artifacts:/<path>, or "
            "register the version again on that server"
        )
    root = unquote(urlsplit(uri).path).strip("/")
    check_name(root)
    return f"{tracking}{urlsplit(tracking_uri).path.rstrip('/')}{_ARTIFACTS}", root


def _walk(base: str, root: str, transfer: Transfer) -> Iterator[str]:
    """Paths of all files below the root, relative to it."""
    folders, visited = [""], 0
    while folders:
        folder, visited = folders.pop(), visited + 1
        url = f"{base}?path={quote(f'{root}/{folder}'.rstrip('/'), safe='')}"
        for name, is_folder in _listing(transfer.text(url, authorize=True)):
            check_name(name)
            path = f"{folder}/{name}".lstrip("/")
            if is_folder:
                folders.append(path)
            else:
                yield path
        if visited + len(folders) > MAX_FILES:
            raise FetchFailed(f"the model has more than {MAX_FILES} folders")


class _Artifact(msgspec.Struct, gc=False):
    path: str
    is_dir: bool | None = None


class _Artifacts(msgspec.Struct):
    files: list[_Artifact] = []


def _listing(document: bytes) -> list[tuple[str, bool]]:
    try:
        found = msgspec.json.decode(document, type=_Artifacts)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FetchFailed("MLflow's list of artifacts is not understood: is this an MLflow server?") from error
    return [(file.path, bool(file.is_dir)) for file in found.files]


def _from_here(source: Path, target: Path, transfer: Transfer) -> None:
    if source.is_dir():
        try:
            for path, _ in hashed(source):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / path, target / path, follow_symlinks=False)
        except ManifestError as error:
            raise FetchFailed(f"the model is refused: {error}", ModelRejection.TAMPERED) from error
    elif source.is_file() and source.name.endswith(_ARCHIVES):
        unpack(source, target, transfer.reserve)
    else:
        raise FetchFailed(f"{source} is neither a directory nor a .tar.gz")

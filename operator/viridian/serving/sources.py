"""Where a model's bytes come from: MLflow's artifact proxy, an archive over HTTP, or a place on this computer."""

from __future__ import annotations

import json
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from viridian.api.address import place
from viridian.api.manifest import MAX_FILES, ManifestError, check_path
from viridian.api.origins import artifact_origin, origin_of
from viridian.api.refusals import Refusal
from viridian.serving.errors import FetchFailed
from viridian.serving.integrity import hashed
from viridian.serving.transfer import Transfer

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
        _unpack(archive, target, transfer)
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
    _check(root)
    return f"{tracking}{urlsplit(tracking_uri).path.rstrip('/')}{_ARTIFACTS}", root


def _walk(base: str, root: str, transfer: Transfer) -> Iterator[str]:
    """Paths of all files below the root, relative to it."""
    folders = [""]
    while folders:
        folder = folders.pop()
        url = f"{base}?path={quote(f'{root}/{folder}'.rstrip('/'), safe='')}"
        for name, is_folder in _listing(transfer.text(url, authorize=True)):
            _check(name)
            path = f"{folder}/{name}".lstrip("/")
            if is_folder:
                folders.append(path)
            else:
                yield path
        if len(folders) > MAX_FILES:
            raise FetchFailed(f"the model has more than {MAX_FILES} folders")


def _listing(document: bytes) -> list[tuple[str, bool]]:
    try:
        files = json.loads(document).get("files", [])
        return [(str(file["path"]), bool(file.get("is_dir"))) for file in files]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise FetchFailed("MLflow's list of artifacts is not understood: is this an MLflow server?") from error


def _from_here(source: Path, target: Path, transfer: Transfer) -> None:
    if source.is_dir():
        try:
            for path, _ in hashed(source):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / path, target / path, follow_symlinks=False)
        except ManifestError as error:
            raise FetchFailed(f"the model is refused: {error}", Refusal.TAMPERED) from error
    elif source.is_file() and source.name.endswith(_ARCHIVES):
        _unpack(source, target, transfer)
    else:
        raise FetchFailed(f"{source} is neither a directory nor a .tar.gz")


def _unpack(archive: Path, target: Path, transfer: Transfer) -> None:
    """Regular files only, each under a plain path; a single folder around all of them is taken off."""
    try:
        with tarfile.open(archive, "r:gz") as content:
            members = [(PurePosixPath(member.name).as_posix(), member) for member in content if not member.isdir()]
            _check_members(members)
            transfer.reserve(sum(member.size for _, member in members))
            prefix = _wrapper(name for name, _ in members)
            for name, member in members:
                path = target / name.removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                source = content.extractfile(member)
                if source is not None:
                    with source, path.open("wb") as file:
                        shutil.copyfileobj(source, file)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise FetchFailed(f"{archive.name} is no .tar.gz that can be read: {type(error).__name__}") from error


def _check_members(members: list[tuple[str, tarfile.TarInfo]]) -> None:
    if len(members) > MAX_FILES:
        raise FetchFailed(f"the archive holds more than {MAX_FILES} files")
    seen: set[str] = set()
    for name, member in members:
        _check(name)
        if not member.isreg():
            raise FetchFailed(f"the archive holds {name!r}, which is a link or a special file")
        if name.casefold() in seen:
            raise FetchFailed(f"the archive holds {name!r} twice, or another name that differs by case alone")
        seen.add(name.casefold())


def _wrapper(names: Iterable[str]) -> str:
    """`folder/` when every file lies in it and the model itself does, too; otherwise nothing."""
    listed = list(names)
    folders = {name.partition("/")[0] for name in listed if "/" in name}
    if len(folders) != 1 or not all("/" in name for name in listed):
        return ""
    prefix = f"{folders.pop()}/"
    is_model = any(name in (f"{prefix}MLmodel", f"{prefix}model.onnx", f"{prefix}model.skops") for name in listed)
    return prefix if is_model else ""


def _check(path: str) -> None:
    try:
        check_path(path)
    except ManifestError as error:
        raise FetchFailed(f"the model is refused: {error}", Refusal.TAMPERED) from error

"""The files themselves that an address of a Git repository stands for, with or without DVC, on this computer.

What DVC tracks lies in its remote storage, under its hash (https://dvc.org/doc/user-guide/project-structure/internal-files).
Remotes are read that are a folder or a web server. Every file from there must have the hash that DVC has noted.
"""

from __future__ import annotations

import configparser
import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec
from dulwich.index import validate_path

from viridian.training import web
from viridian.training.resolvers.dvc_files import digest_of
from viridian.training.resolvers.git_files import Checkout, GitAddress, checked_out
from viridian.training.resolvers.resolved_data import CannotResolve

_BEGINNINGS: Final = ("git+", "git://", "dvc+")
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_FOLDER: Final = ".dir"
_MAX_LISTING_BYTES: Final = 64 << 20
_MAX_CONFIG_BYTES: Final = 1 << 20


class _ListedFile(msgspec.Struct, frozen=True):
    """A file of a folder, as DVC lists it."""

    md5: str
    relpath: str


def is_in_a_repository(uri: str) -> bool:
    """Whether the address is one of those that `fetch` reads."""
    return uri.startswith(_BEGINNINGS)


def fetch(uri: str, revision: str, folder: Path) -> Path:
    """The file or folder that the address names in that revision, below `folder`. CannotResolve, with the reason."""
    tracked_by_dvc = uri.startswith("dvc+")
    address = GitAddress.of(uri, "dvc+" if tracked_by_dvc else "git+")
    target = folder / (PurePosixPath(address.path).name or "rows")
    with checked_out(address.repository, revision, with_files=True) as checkout:
        if tracked_by_dvc:
            _from_remote(_remote(checkout), digest_of(checkout, address.path), target)
        else:
            _written(checkout, address.path, target)
    return target


def _written(checkout: Checkout, path: str, target: Path) -> None:
    """A blob as a file, a tree as a folder; links and submodules are left out."""
    if checkout.entry(path)[0] == "blob":
        target.write_bytes(checkout.bytes_of(path))
        return
    target.mkdir()
    for name in checkout.files_below(path):
        _below(target, name).write_bytes(checkout.bytes_of(str(PurePosixPath(path) / name)))


def _below(folder: Path, name: str) -> Path:
    """Where a file of that name goes, which must not lead out of the folder."""
    if not validate_path(name.encode("utf-8", "surrogateescape")):
        raise CannotResolve(f"the folder has a file with a name that is not allowed: {name[:100]!r}")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


# ---- what DVC tracks


def _remote(checkout: Checkout) -> str:
    """The address of the default remote, as the repository's .dvc/config has it."""
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    content = checkout.content(".dvc/config", _MAX_CONFIG_BYTES)
    try:
        settings.read_string((content or b"").decode())
    except (configparser.Error, UnicodeDecodeError):
        raise CannotResolve(".dvc/config cannot be read") from None
    name = settings.get("core", "remote", fallback="")
    url = settings.get(f"'remote \"{name}\"'", "url", fallback="")
    if not url:
        raise CannotResolve("the repository names no default remote: dvc remote add --default <name> <url>")
    scheme = urlsplit(url).scheme
    if scheme not in ("", "file", "http", "https") or (not scheme and not url.startswith("/")):
        raise CannotResolve(
            f"the rows lie in a remote of DVC of another kind ({scheme or 'a relative path'}): only folders and web "
            "servers are read here. Give the stage a template that runs dvc pull and the checks on what came"
        )
    return url.rstrip("/")


def _from_remote(remote: str, digest: str, target: Path) -> None:
    kind, _, found = digest.partition(":")
    if kind != "md5" or not _MD5.fullmatch(found.removesuffix(_FOLDER)):
        raise CannotResolve(f"DVC has noted a hash of the kind {kind}: only md5 says where the content lies")
    if not found.endswith(_FOLDER):
        _download(remote, found, target)
        return
    listing = target.with_name(f"{target.name}{_FOLDER}")
    _download(remote, found, listing)
    target.mkdir()
    for file in _listed(listing):
        if not _MD5.fullmatch(file.md5):
            raise CannotResolve("the list of the folder's files has a hash that is none")
        _download(remote, file.md5, _below(target, file.relpath))


def _listed(listing: Path) -> list[_ListedFile]:
    try:
        if listing.stat().st_size > _MAX_LISTING_BYTES:
            raise CannotResolve(f"the list of the folder's files has more than {_MAX_LISTING_BYTES >> 20} MiB")
        return msgspec.json.decode(listing.read_bytes(), type=list[_ListedFile])
    except msgspec.MsgspecError:
        raise CannotResolve("the list of the folder's files is none of DVC") from None


def _download(remote: str, found: str, target: Path) -> None:
    """As DVC 3 stores it, else as DVC 2 did."""
    copy: Callable[[str, Path], object] = web.download if web.is_web_address(remote) else _copied
    tried: OSError | None = None
    for place in (f"{remote}/files/md5/{found[:2]}/{found[2:]}", f"{remote}/{found[:2]}/{found[2:]}"):
        try:
            copy(place, target)
        except OSError as error:
            tried = error
            continue
        if _md5(target) != found.removesuffix(_FOLDER):
            raise CannotResolve(f"the remote of DVC has other content than the hash {found} says")
        return
    raise CannotResolve(f"the remote of DVC does not have {found}: dvc push. {tried}")


def _copied(place: str, target: Path) -> None:
    shutil.copyfile(unquote(urlsplit(place).path) if place.startswith("file:") else place, target)


def _md5(path: Path) -> str:
    """DVC's name for content, no protection against forgery."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

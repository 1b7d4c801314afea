"""Files that DVC tracks in a Git repository: the hash that DVC has noted is the digest. DVC itself is not needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from viridian.training.resolvers.git_files import Checkout, GitAddress, checked_out
from viridian.training.resolvers.resolved_data import CannotResolve, ResolvedData

_MAX_BYTES: Final = 8 << 20
_HASHES: Final = ("md5", "sha256", "etag", "checksum")


def resolve_dvc(uri: str, revision: str) -> ResolvedData:
    """A file or folder that `<path>.dvc` or `dvc.lock` names in that commit."""
    address = GitAddress.of(uri, "dvc+")
    if not address.path:
        raise CannotResolve("the address names no path: write dvc+https://host/repository//data/train.csv")
    with checked_out(address.repository, revision, with_files=True) as checkout:
        return ResolvedData(uri=uri, revision=checkout.commit, digest=digest_of(checkout, address.path))


def digest_of(checkout: Checkout, path: str) -> str:
    """The hash that DVC has noted of the path in that commit, such as `md5:…`. CannotResolve where there is none."""
    digest = next(_digests(checkout, path), None)
    if digest is None:
        missing = f"the commit {checkout.commit} has no {path}.dvc"
        raise CannotResolve(f"{missing}, and no dvc.lock beside or above it names the path")
    return digest


def _digests(checkout: Checkout, path: str) -> Iterator[str]:
    for out in _entries(_document(checkout, f"{path}.dvc"), "outs"):
        yield from _digest(out)
    for folder in PurePosixPath(path).parents:
        lock = _document(checkout, str(folder / "dvc.lock"))
        stages = lock.get("stages")
        for stage in stages.values() if isinstance(stages, dict) else ():
            for out in _entries(stage, "outs"):
                if str(folder / str(out.get("path"))) == path:
                    yield from _digest(out)


def _document(checkout: Checkout, path: str) -> dict[str, Any]:
    content = checkout.content(path, _MAX_BYTES)
    try:
        document = yaml.safe_load(content) if content is not None else {}
    except (yaml.YAMLError, RecursionError):
        raise CannotResolve(f"{path} is no file of DVC") from None
    return document if isinstance(document, dict) else {}


def _entries(document: Any, key: str) -> list[dict[str, Any]]:
    found = document.get(key) if isinstance(document, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _digest(out: dict[str, Any]) -> Iterator[str]:
    named = next((name for name in _HASHES if isinstance(out.get(name), str)), None)
    if named is not None:
        yield f"{named}:{out[named]}"

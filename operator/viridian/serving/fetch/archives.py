"""Reading a .tar.gz that somebody else has made: what it takes is bounded while it is read, not afterwards."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from viridian.api.manifest import MAX_FILES, ManifestError, check_path
from viridian.api.rejections import ModelRejection
from viridian.serving.errors import FetchFailed

MAX_ENTRIES: Final = 2 * MAX_FILES
"""Folders count as well: an entry of nothing takes time and memory."""
MAX_HEADER_BYTES: Final = 16 * 1024
"""Of one header that says more of a file than its entry has room for, such as a long name."""
MAX_HEADERS_BYTES: Final = 16 * 1024 * 1024
"""Of all of them."""
MAX_GLOBAL_BYTES: Final = 4 * 1024
"""Of those that count for all files that follow, each of which gets a copy."""
_LONG_NAMES: Final = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_ABOUT_ONE: Final = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, *_LONG_NAMES)
_TOO_MANY_HEADERS: Final = "the archive's headers (pax, long names) take more room than those of a model"


class _UnpackBudget:
    """What the headers of one archive may still take."""

    def __init__(self) -> None:
        self.headers = MAX_HEADERS_BYTES
        self.of_all = MAX_GLOBAL_BYTES

    def charge(self, kind: bytes, size: int) -> None:
        """FetchFailed before such a header is read."""
        if kind == tarfile.XGLTYPE:
            self.of_all -= size
        elif kind in _ABOUT_ONE:
            # A header without content takes a block, too.
            self.headers -= max(size, tarfile.BLOCKSIZE)
            if size > MAX_HEADER_BYTES:
                raise FetchFailed(_TOO_MANY_HEADERS, ModelRejection.TAMPERED)
        elif kind == tarfile.GNUTYPE_SPARSE:
            raise FetchFailed("the archive holds a sparse file, which no model has", ModelRejection.TAMPERED)
        if self.headers < 0 or self.of_all < 0 or size < 0:
            raise FetchFailed(_TOO_MANY_HEADERS, ModelRejection.TAMPERED)


def _counted(budget: _UnpackBudget) -> type[tarfile.TarInfo]:
    class CountedMember(tarfile.TarInfo):
        """Is asked of each entry before the content of its header is read."""

        def _proc_member(self, archive: Any) -> Any:
            budget.charge(self.type, self.size)
            return super()._proc_member(archive)  # type: ignore[misc]  # documented for subclasses, and in no stub

    return CountedMember


def unpack(archive: Path, target: Path, reserve: Callable[[int], None]) -> None:
    """Regular files only, each under a plain path; a single folder around all of them is taken off.

    `reserve` gets the size of each file before it is read.
    """
    try:
        with tarfile.open(archive, "r:gz", tarinfo=_counted(_UnpackBudget())) as content:
            members = dict(_files(content, reserve))
            prefix = _wrapper(members)
            for name, member in members.items():
                path = target / name.removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                source = content.extractfile(member)
                if source is not None:
                    with source, path.open("wb") as file:
                        shutil.copyfileobj(source, file)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError) as error:
        raise FetchFailed(f"{archive.name} is no .tar.gz that can be read: {type(error).__name__}") from error


def _files(content: tarfile.TarFile, reserve: Callable[[int], None]) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """The files with their names, each checked before the next entry is looked for."""
    seen: set[str] = set()
    for number, member in enumerate(content):
        if number >= MAX_ENTRIES:
            raise FetchFailed(f"the archive holds more than {MAX_ENTRIES} entries")
        # They have been applied to the member, and are in nobody's way any more.
        member.pax_headers = {}
        if member.isdir():
            continue
        name = PurePosixPath(member.name).as_posix()
        check_name(name)
        if not member.isreg():
            raise FetchFailed(f"the archive holds {name!r}, which is a link or a special file")
        if name.casefold() in seen:
            raise FetchFailed(f"the archive holds {name!r} twice, or another name that differs by case alone")
        seen.add(name.casefold())
        if len(seen) > MAX_FILES:
            raise FetchFailed(f"the archive holds more than {MAX_FILES} files")
        reserve(member.size)
        yield name, member


def _wrapper(names: Iterable[str]) -> str:
    """`folder/` when every file lies in it and the model itself does, too; otherwise nothing."""
    listed = list(names)
    folders = {name.partition("/")[0] for name in listed if "/" in name}
    if len(folders) != 1 or not all("/" in name for name in listed):
        return ""
    prefix = f"{folders.pop()}/"
    is_model = any(name in (f"{prefix}MLmodel", f"{prefix}model.onnx", f"{prefix}model.skops") for name in listed)
    return prefix if is_model else ""


def check_name(path: str) -> None:
    """FetchFailed for a path that no model has."""
    try:
        check_path(path)
    except ManifestError as error:
        raise FetchFailed(f"the model is refused: {error}", ModelRejection.TAMPERED) from error

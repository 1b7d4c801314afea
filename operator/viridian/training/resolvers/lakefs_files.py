"""Files and folders of a lakeFS repository: the commit is the revision, checksums of objects are the digest.

Written to the published interface (https://docs.lakefs.io/reference/api.html), whose variables of the command line give
address and login. tests/stack holds its requests to those of lakeFS's own client; no package registry has a server.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec

from viridian.training import web
from viridian.training.resolvers.resolved_data import CannotResolve, ResolvedData, digest_of_folder, is_hidden

_ENDPOINT: Final = "LAKECTL_SERVER_ENDPOINT_URL"
_KEY_ID: Final = "LAKECTL_CREDENTIALS_ACCESS_KEY_ID"
_KEY: Final = "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"
_MAX_BYTES: Final = 8 << 20
_AT_ONCE: Final = 1000
_COMMIT: Final = re.compile(r"[0-9a-f]{64}")
_NOT_FOUND: Final = 404
Answer = TypeVar("Answer", bound=msgspec.Struct)


class _Repository(msgspec.Struct, frozen=True):
    default_branch: str


class _Commit(msgspec.Struct, frozen=True):
    id: str


class _Commits(msgspec.Struct, frozen=True):
    results: list[_Commit]


class _Object(msgspec.Struct, frozen=True):
    path: str
    path_type: str = "object"
    checksum: str = ""


class _Pagination(msgspec.Struct, frozen=True):
    has_more: bool = False
    next_offset: str = ""


class _Objects(msgspec.Struct, frozen=True):
    results: list[_Object]
    pagination: _Pagination = _Pagination()


def resolve_lakefs(uri: str, revision: str) -> ResolvedData:
    """A branch, a tag or a commit of the repository; the default branch where none is named."""
    repository, path = urlsplit(uri).netloc, unquote(urlsplit(uri).path).strip("/")
    server = _Server.of_environment(repository)
    commit = server.commit(revision)
    found = server.object(commit, path) if path else None
    if found is not None:
        return ResolvedData(uri=uri, revision=commit, digest=f"lakefs:{found.checksum}")
    files = sorted(server.below(commit, path))
    if not files:
        raise CannotResolve(f"the commit {commit} of {repository} has nothing at {path or 'its top'}")
    return ResolvedData(uri=uri, revision=commit, digest=f"lakefs-folder:{digest_of_folder(files)}")


@dataclass(frozen=True, slots=True)
class _Server:
    """The part of the interface that is about one repository."""

    address: str
    login: str = field(repr=False)

    @classmethod
    def of_environment(cls, repository: str) -> _Server:
        endpoint = os.environ.get(_ENDPOINT, "").rstrip("/")
        if not repository or not endpoint:
            raise CannotResolve(
                f"write lakefs://repository/path, and set {_ENDPOINT}, {_KEY_ID} and {_KEY} in the resolver's template"
            )
        base = endpoint if endpoint.endswith("/api/v1") else f"{endpoint}/api/v1"
        key = f"{os.environ.get(_KEY_ID, '')}:{os.environ.get(_KEY, '')}"
        return cls(f"{base}/repositories/{quote(repository, safe='')}", base64.b64encode(key.encode()).decode())

    def commit(self, reference: str) -> str:
        repository = self._get(_Repository, "")
        if repository is None:
            raise CannotResolve("lakeFS has no repository of that name, or the login may not read it")
        wanted = reference or repository.default_branch
        found = self._get(_Commits, f"/refs/{quote(wanted, safe='')}/commits", amount=1)
        if found is None or not found.results or not _COMMIT.fullmatch(found.results[0].id):
            raise CannotResolve(f"the repository of lakeFS has no branch, tag or commit {wanted}")
        return found.results[0].id

    def object(self, commit: str, path: str) -> _Object | None:
        return self._get(_Object, f"/refs/{commit}/objects/stat", path=path)

    def below(self, commit: str, folder: str) -> Iterator[tuple[str, str]]:
        """Name from there, and checksum, of each object of a folder."""
        begins, after = f"{folder}/" if folder else "", ""
        while True:
            page = self._get(_Objects, f"/refs/{commit}/objects/ls", prefix=begins, after=after, amount=_AT_ONCE)
            for one in page.results if page is not None else ():
                name = one.path.removeprefix(begins)
                if one.path_type == "object" and not is_hidden(name):
                    yield name, one.checksum
            if page is None or not page.pagination.has_more or page.pagination.next_offset <= after:
                return
            after = page.pagination.next_offset

    def _get(self, kind: type[Answer], place: str, **parameters: Any) -> Answer | None:
        """The answer; None for what there is none of. CannotResolve where lakeFS refuses or is not there."""
        address = f"{self.address}{place}" + (f"?{urlencode(parameters)}" if parameters else "")
        try:
            with web.get(address, {"Authorization": f"Basic {self.login}"}) as answer:
                return msgspec.json.decode(answer.read(_MAX_BYTES), type=kind)
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            if isinstance(error, HTTPError) and error.code == _NOT_FOUND:
                return None
            raise CannotResolve(f"lakeFS does not answer about the repository: {error}") from None

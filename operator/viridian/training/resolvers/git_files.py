"""Files and folders of a Git repository: the commit is the revision, and Git's own hash of the path is the digest."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from dulwich.client import get_transport_and_path
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository, NotTreeError
from dulwich.object_store import iter_tree_contents, tree_lookup_path
from dulwich.objects import Blob, Commit, Tag, Tree
from dulwich.repo import Repo

from viridian.training.resolvers.resolved_data import CannotResolve, ResolvedData

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_ONLY_NAMES: Final = b"blob:none"
_LOGIN_VARIABLES: Final = ("GIT_USERNAME", "GIT_PASSWORD")


@dataclass(frozen=True, slots=True)
class GitAddress:
    """A repository and a path in it."""

    repository: str
    path: str

    @classmethod
    def of(cls, uri: str, prefix: str) -> GitAddress:
        """`git+https://host/repository//path`. Not a fragment: no record shows those, since they may be secrets."""
        scheme, _, rest = uri.removeprefix(prefix).partition("://")
        repository, _, path = rest.partition("//")
        return cls(f"{scheme}://{repository}", unquote(path).strip("/"))


@dataclass(frozen=True, slots=True)
class Checkout:
    """One commit of a repository, on this computer."""

    repository: Repo
    commit: str

    def entry(self, path: str) -> tuple[str, str]:
        """`blob` or `tree`, and the hash of what lies there."""
        mode_and_id = self._lookup(path)
        if mode_and_id is None:
            raise CannotResolve(f"the commit {self.commit} has nothing at {path}")
        kind, found = mode_and_id
        return kind, found

    def content(self, path: str, most: int) -> bytes | None:
        """The bytes of a file; None where there is none, or one that is larger."""
        found = self._lookup(path)
        if found is None or found[0] != "blob":
            return None
        blob = self.repository[found[1].encode()]
        return blob.data if isinstance(blob, Blob) and len(blob.data) <= most else None

    def bytes_of(self, path: str) -> bytes:
        """The whole file. CannotResolve where there is none, or where the server has left it out."""
        kind, found = self.entry(path)
        blob = _object(self.repository, found)
        if kind != "blob" or not isinstance(blob, Blob):
            raise CannotResolve(f"the commit {self.commit} has no file at {path}")
        return bytes(blob.data)

    def files_below(self, path: str) -> Iterator[str]:
        """The names of all plain files of a folder, from there. Links and submodules are none."""
        tree = _object(self.repository, self.entry(path)[1])
        if not isinstance(tree, Tree):
            raise CannotResolve(f"the commit {self.commit} has no folder at {path}")
        for entry in iter_tree_contents(self.repository.object_store, tree.id):
            if entry.mode is not None and stat.S_ISREG(entry.mode):
                yield (entry.path or b"").decode("utf-8", "surrogateescape")

    def _lookup(self, path: str) -> tuple[str, str] | None:
        commit: Any = self.repository[self.commit.encode()]
        if not path:
            return "tree", commit.tree.decode()
        try:
            mode, found = tree_lookup_path(self.repository.__getitem__, commit.tree, path.encode())
        except (KeyError, NotTreeError):
            return None
        return ("tree" if mode == 0o40000 else "blob"), found.decode()


def resolve_git(uri: str, revision: str) -> ResolvedData:
    """A branch, a tag or a commit; the default branch where no revision is named."""
    address = GitAddress.of(uri, "git+")
    with checked_out(address.repository, revision, with_files=False) as checkout:
        kind, found = checkout.entry(address.path)
        return ResolvedData(uri=uri, revision=checkout.commit, digest=f"git-{kind}:{found}")


@contextmanager
def checked_out(repository: str, revision: str, *, with_files: bool) -> Iterator[Checkout]:
    """The commit that the revision names now, without its history; without its files where the server can leave them
    out and they are not needed."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("VIRIDIAN_OUT_DIR") or None) as folder:
        target = Repo.init_bare(folder)
        try:
            client, path = get_transport_and_path(repository, **_credentials())
            named = _commit(client.get_refs(path.encode()).refs, revision)
            client.fetch(
                path.encode(),
                target,
                determine_wants=lambda *_args, **_kwargs: [named.encode()],
                depth=1,
                filter_spec=None if with_files else _ONLY_NAMES,
            )
            yield Checkout(target, _peeled(target, named))
        except (GitProtocolError, HangupException, NotGitRepository, OSError, ValueError) as error:
            raise CannotResolve(f"the repository cannot be read: {error or type(error).__name__}") from None
        finally:
            target.close()


def _commit(refs: Mapping[bytes, bytes | None], revision: str) -> str:
    """The object that the revision names on the server."""
    if _COMMIT.fullmatch(revision):
        return revision
    names = [f"refs/heads/{revision}", f"refs/tags/{revision}", revision] if revision else ["HEAD"]
    found = next((known for name in names if (known := refs.get(name.encode()))), None)
    if found is None:
        raise CannotResolve(f"the repository has no branch and no tag {revision or 'HEAD'}")
    return found.decode()


def _peeled(repository: Repo, named: str) -> str:
    """The commit that an annotated tag is about."""
    found = _object(repository, named)
    while isinstance(found, Tag):
        named = found.object[1].decode()
        found = _object(repository, named)
    if not isinstance(found, Commit):
        raise CannotResolve(f"the repository has no commit {named}")
    return named


def _object(repository: Repo, named: str) -> Any:
    try:
        return repository[named.encode()]
    except KeyError:
        return None


def _credentials() -> dict[str, str]:
    """From a Secret, by the template of the resolver."""
    user, secret = (os.environ.get(name, "") for name in _LOGIN_VARIABLES)
    return {"username": user, "password": secret} if user and secret else {}

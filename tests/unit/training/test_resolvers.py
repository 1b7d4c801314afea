"""Resolvers against what they resolve: files, a web server, and a real Git server with files that DVC tracks."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from tests.support.web_server import QuietHandler, web_server
from viridian.api.stage import ExitCode, parse_report
from viridian.training import check_data
from viridian.training import resolve_data as command
from viridian.training.resolve_data import resolve
from viridian.training.resolvers.fetched_files import fetch
from viridian.training.resolvers.resolved_data import CannotResolve

SHA_OF_ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
MD5 = "d41d8cd98f00b204e9800998ecf8427e"


# ---- files ----


def test_a_file_is_its_content(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("abc")
    found = resolve(str(path), "")
    assert (found.revision, found.digest) == (SHA_OF_ABC, SHA_OF_ABC)
    assert resolve(path.as_uri(), SHA_OF_ABC).digest == SHA_OF_ABC


def test_a_revision_that_is_not_there_any_more_is_not_replaced_by_another(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("abcd")
    with pytest.raises(CannotResolve, match="not the revision sha256:ba78"):
        resolve(str(path), SHA_OF_ABC)


def test_a_folder_is_its_files_by_name_and_content(tmp_path: Path) -> None:
    for name in ("b", "a/c"):
        (tmp_path / "rows" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "rows" / name).write_text("1")
    first = resolve(str(tmp_path / "rows"), "").digest
    (tmp_path / "rows" / ".tmp").write_text("in the making")
    assert resolve(str(tmp_path / "rows"), "").digest == first
    (tmp_path / "rows" / "b").rename(tmp_path / "rows" / "d")
    assert resolve(str(tmp_path / "rows"), "").digest != first


class Versioned(QuietHandler, SimpleHTTPRequestHandler):
    """Answers as a bucket with versions does."""

    version = "3HL4kqtJvjVBH40Nrjfkd"

    def end_headers(self) -> None:
        self.send_header("x-amz-version-id", self.version)
        super().end_headers()


@pytest.mark.parametrize("handler", [SimpleHTTPRequestHandler, Versioned])
def test_a_file_of_a_web_server_is_its_content(tmp_path: Path, handler: type[SimpleHTTPRequestHandler]) -> None:
    (tmp_path / "train.csv").write_text("abc")
    with web_server(partial(handler, directory=str(tmp_path))) as address:
        found = resolve(f"{address}/train.csv", "")
        with pytest.raises(CannotResolve, match="404"):
            resolve(f"{address}/none.csv", "")
    assert found.digest == SHA_OF_ABC
    assert found.revision == (Versioned.version if handler is Versioned else SHA_OF_ABC)


# ---- Git ----


class Repository:
    """A repository with a file, a folder and what DVC notes of them; a branch and two tags."""

    def __init__(self, root: Path) -> None:
        self.path = root / "data.git"
        self.work = root / "work"
        self.git("init", "-q", "-b", "main", str(self.work), where=root)
        (self.work / "data").mkdir()
        self.write("data/train.csv", "a,b\n")
        self.write("data/big.csv.dvc", f"outs:\n- md5: {MD5}\n  size: 0\n  hash: md5\n  path: big.csv\n")
        self.write("pipe/dvc.lock", f"stages:\n  prepare:\n    outs:\n    - path: rows\n      md5: {MD5}.dir\n")
        self.first = self.commit("one")
        self.git("tag", "v1")
        self.git("tag", "-a", "-m", "annotated", "v1-signed")
        self.git("clone", "-q", "--bare", str(self.work), str(self.path))
        self.git("remote", "add", "origin", str(self.path))
        # As the large services have it.
        self.git("config", "uploadpack.allowFilter", "true", where=self.path)
        self.git("config", "uploadpack.allowAnySHA1InWant", "true", where=self.path)

    def write(self, name: str, content: str) -> None:
        path = self.work / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(content)

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, message: str) -> str:
        commit = self.commit(message)
        self.git("push", "-q", "origin", "main")
        return commit

    def git(self, *arguments: str, where: Path | None = None) -> str:
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_COMMITTER_NAME": "t"}
        environment["GIT_COMMITTER_EMAIL"] = "t@example.com"
        done = subprocess.run(
            ["git", *arguments], cwd=where or self.work, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def server(repository: Repository) -> Iterator[str]:
    """A Git server of its own, over Git's own protocol."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--reuseaddr", "--export-all", "--listen=127.0.0.1", f"--port={port}", "--verbose"]
    program = ["git", "daemon", *options, f"--base-path={repository.path.parent}"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert "Ready to rumble" in process.stderr.readline()
            yield f"git://127.0.0.1:{port}/data.git"
        finally:
            process.terminate()


pytestmark = pytest.mark.needs_programs


@pytest.mark.parametrize("revision", ["", "main", "v1", "v1-signed", "refs/heads/main", "commit"])
def test_a_name_becomes_the_commit_of_now(repository: Repository, server: str, revision: str) -> None:
    named = repository.first if revision == "commit" else revision
    found = resolve(f"git+{server}//data/train.csv", named)
    assert found.revision == repository.first
    assert found.digest == f"git-blob:{repository.git('rev-parse', 'HEAD:data/train.csv')}"
    assert found.uri == f"git+{server}//data/train.csv"


def test_a_commit_that_leaves_the_data_alone_leaves_the_digest(repository: Repository, server: str) -> None:
    before = {path: resolve(f"git+{server}{path}", "main") for path in ("//data/train.csv", "//data", "")}
    repository.write("README.md", "new")
    second = repository.push("docs")
    after = {path: resolve(f"git+{server}{path}", "main") for path in before}
    assert {found.revision for found in after.values()} == {second}
    assert [path for path in before if before[path].digest != after[path].digest] == [""]
    assert after["//data"].digest == f"git-tree:{repository.git('rev-parse', 'HEAD:data')}"
    repository.write("data/train.csv", "a,b\n1,2\n")
    repository.push("data")
    assert resolve(f"git+{server}//data", "main").digest != after["//data"].digest
    assert resolve(f"git+{server}//data", "v1") == before["//data"]


def test_a_repository_on_a_volume_is_read_without_a_server(repository: Repository) -> None:
    assert resolve(f"git+{repository.path.as_uri()}//data/train.csv", "v1").revision == repository.first


def test_a_server_that_cannot_leave_files_out_is_asked_for_them(repository: Repository, server: str) -> None:
    repository.git("config", "uploadpack.allowFilter", "false", where=repository.path)
    assert resolve(f"git+{server}//data/train.csv", "main").revision == repository.first


@pytest.mark.parametrize(("path", "digest"), [("data/big.csv", f"md5:{MD5}"), ("pipe/rows", f"md5:{MD5}.dir")])
def test_what_dvc_tracks_has_the_hash_that_dvc_noted(
    repository: Repository, server: str, path: str, digest: str
) -> None:
    found = resolve(f"dvc+{server}//{path}", "main")
    assert (found.revision, found.digest) == (repository.first, digest)


WRONG = {
    "no such branch": ("git+{server}//data", "none", "no branch and no tag none"),
    "no such path": ("git+{server}//data/none.csv", "main", "has nothing at data/none.csv"),
    "below a file": ("git+{server}//data/train.csv/x", "main", "has nothing at data/train.csv/x"),
    "no such commit": ("git+{server}//data", "0" * 40, "the repository has no commit 0000"),
    "no such repository": ("git+{server}-none//data", "main", "the repository cannot be read"),
    "no server": ("git+http://127.0.0.1:1/none//data", "main", "the repository cannot be read"),
    "not tracked by DVC": ("dvc+{server}//data/train.csv", "main", "has no data/train.csv.dvc"),
    "DVC without a path": ("dvc+{server}", "main", "names no path"),
    "an unknown scheme": ("ftp://server/train.csv", "", "no shipped resolver knows such an address"),
    "no file": ("/no/such/file", "", "there is no file /no/such/file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_resolved_is_an_error_with_its_reason(server: str, case: str) -> None:
    uri, revision, why = WRONG[case]
    with pytest.raises(CannotResolve, match=why):
        resolve(uri.format(server=server), revision)


def test_the_command_reports_the_state(
    repository: Repository, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRIDIAN_TERMINATION_LOG", str(tmp_path / "termination-log"))
    monkeypatch.setenv("VIRIDIAN_DATA_URI", f"dvc+{server}//data/big.csv")
    monkeypatch.setenv("VIRIDIAN_DATA_REVISION", "main")
    assert command.main() == 0
    report = parse_report((tmp_path / "termination-log").read_text())
    expected = {"uri": f"dvc+{server}//data/big.csv", "revision": repository.first, "digest": f"md5:{MD5}"}
    assert report.data == expected
    monkeypatch.setenv("VIRIDIAN_DATA_REVISION", "none")
    assert command.main() == 1
    assert "no branch and no tag none" in parse_report((tmp_path / "termination-log").read_text()).failures[0]


# ---- the files themselves, for checks of the rows


def test_files_of_a_repository_are_read_in_that_very_commit(
    repository: Repository, server: str, tmp_path: Path
) -> None:
    repository.write("data/more/rows.csv", "a,b\n3,4\n")
    (repository.work / "data" / "link.csv").symlink_to("/etc/passwd")
    second = repository.push("more")
    first = fetch(f"git+{server}//data/train.csv", repository.first, fresh(tmp_path, "first"))
    assert first.read_text() == "a,b\n"
    folder = fetch(f"git+{server}//data", second, fresh(tmp_path, "second"))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"big.csv.dvc", "more/rows.csv", "train.csv"}, "a link is no file"
    assert (folder / "more" / "rows.csv").read_text() == "a,b\n3,4\n"


def fresh(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    return folder


def stored(remote: Path, content: bytes, *, folder: bool = False, version: int = 3) -> str:
    """The hash under which the remote storage of DVC has that content, as `dvc push` lays it down."""
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    place = remote / ("files/md5" if version == 3 else "") / found[:2] / f"{found[2:]}{'.dir' if folder else ''}"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return found


def with_remote(repository: Repository, url: str, **outs: str) -> str:
    """The commit in which DVC tracks these paths and names that remote."""
    repository.write(".dvc/config", f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {url}\n")
    for name, found in outs.items():
        repository.write(f"data/{name}.dvc", f"outs:\n- md5: {found}\n  hash: md5\n  path: {name}\n")
    return repository.push("tracked")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("over_the_web", [False, True])
def test_what_dvc_tracks_is_read_from_its_remote(
    repository: Repository,
    server: str,
    tmp_path: Path,
    version: int,
    over_the_web: bool,
) -> None:
    remote = fresh(tmp_path, "remote")
    rows = stored(remote, b"a,b\n5,6\n", version=version)
    listing = json.dumps([{"md5": rows, "relpath": "day/1.csv"}]).encode()
    folder = stored(remote, listing, folder=True, version=version)
    with web_server(partial(Versioned, directory=str(remote))) as address:
        url = address if over_the_web else str(remote)
        commit = with_remote(repository, url, one=rows, all=f"{folder}.dir")
        one = fetch(f"dvc+{server}//data/one", commit, fresh(tmp_path, "one"))
        everything = fetch(f"dvc+{server}//data/all", commit, fresh(tmp_path, "all"))
    assert one.read_bytes() == (everything / "day" / "1.csv").read_bytes() == b"a,b\n5,6\n"


@pytest.mark.parametrize(
    ("sentence", "says"),
    [
        ("other content", "has other content than the hash"),
        ("nothing there", "does not have .*: dvc push"),
        ("out of the folder", "a name that is not allowed: '../../escaped'"),
        ("no list", "is none of DVC"),
        ("a bucket", "a remote of DVC of another kind \\(s3\\).*dvc pull"),
        ("no remote", "names no default remote"),
    ],
)
def test_why_what_dvc_tracks_cannot_be_read(repository: Repository, tmp_path: Path, sentence: str, says: str) -> None:
    remote = fresh(tmp_path, "remote")
    rows = stored(remote, b"a,b\n")
    lists = {"out of the folder": json.dumps([{"md5": rows, "relpath": "../../escaped"}]).encode(), "no list": b"{}"}
    listing = f"{stored(remote, lists[sentence], folder=True)}.dir" if sentence in lists else rows
    if sentence == "other content":
        (remote / "files/md5" / rows[:2] / rows[2:]).write_bytes(b"forged")
    if sentence == "nothing there":
        (remote / "files/md5" / rows[:2] / rows[2:]).unlink()
    commit = with_remote(repository, "s3://bucket/dvc" if sentence == "a bucket" else str(remote), found=listing)
    if sentence == "no remote":
        repository.write(".dvc/config", "")
        commit = repository.push("no remote")
    with pytest.raises(CannotResolve, match=says):
        fetch(f"dvc+{repository.path.as_uri()}//data/found", commit, fresh(tmp_path, "target"))
    assert not (tmp_path / "escaped").exists()


def test_built_in_checks_read_the_rows_of_the_resolved_commit(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("data/train.csv", "a,b\n1,2\n3,4\n")
    second = repository.push("rows")
    repository.write("data/train.csv", "a,b\n")
    repository.push("a commit that came afterwards")
    report = tmp_path / "report"
    monkeypatch.setenv("VIRIDIAN_TERMINATION_LOG", str(report))
    monkeypatch.setenv("VIRIDIAN_CHECKS", json.dumps([{"rowCount": {"min": 2}}]))
    monkeypatch.setenv("VIRIDIAN_DATA_URI", f"git+{repository.path.as_uri()}//data/train.csv")
    monkeypatch.setenv("VIRIDIAN_DATA_REVISION", second)
    assert check_data.main([]) == ExitCode.DONE
    monkeypatch.setenv("VIRIDIAN_DATA_REVISION", "main")
    assert check_data.main([]) == ExitCode.BAD_DATA
    monkeypatch.setenv("VIRIDIAN_DATA_REVISION", "none")
    assert check_data.main([]) == 1, "what cannot be reached is no bad data"

"""Resolvers of buckets against a server that speaks S3 and asks for a login, and of lakeFS against its interface."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.lakefs_stand_in import LakefsStandIn, lakefs_stand_in
from tests.support.web_server import QuietHandler, web_server
from viridian.training.resolve_data import resolve
from viridian.training.resolvers.resolved_data import CannotResolve

RCLONE = shutil.which("rclone", path=str(Path(sys.executable).parent))
KEY_ID, KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI"
MD5_OF_ABC = "900150983cd24fb0d6963f7d28e17f72"
TOP_HASH = "ab" * 32

pytestmark = pytest.mark.needs_programs


@dataclass(frozen=True)
class Bucket:
    """The folder that the server shows as the bucket `data`, to those that log in."""

    folder: Path
    address: str

    def write(self, key: str, content: str) -> None:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """`rclone serve s3` checks signatures of version 4, as S3 does."""
    assert RCLONE is not None, "rclone stands in locks/dev.txt"
    root = tmp_path_factory.mktemp("s3")
    (root / "data").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = ["--config", "/dev/null", "--vfs-cache-mode", "off", "--dir-cache-time", "0s"]
    program = [RCLONE, "serve", "s3", "--addr", address, "--auth-key", f"{KEY_ID},{KEY}", *settings, str(root)]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert any("Starting s3 server" in line for line in process.stderr)
            yield Bucket(root / "data", f"http://{address}")
        finally:
            process.terminate()


@pytest.fixture
def login(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The variables of the container, as a Secret gives them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.address)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    return monkeypatch


@pytest.mark.usefixtures("login")
def test_an_object_is_its_etag(bucket: Bucket) -> None:
    bucket.write("one/train.csv", "abc")
    found = resolve("s3://data/one/train.csv", "")
    assert (found.revision, found.digest) == (f"etag:{MD5_OF_ABC}", f"etag:{MD5_OF_ABC}")
    assert resolve("s3://data/one/train.csv", found.revision) == found
    bucket.write("one/train.csv", "abcd")
    assert resolve("s3://data/one/train.csv", "").digest != found.digest
    with pytest.raises(CannotResolve, match=f"not the revision etag:{MD5_OF_ABC}"):
        resolve("s3://data/one/train.csv", found.revision)
    bucket.write("one/train.csv", "abc")
    assert resolve("s3://data/one/train.csv", "") == found


@pytest.mark.usefixtures("login")
def test_a_folder_is_its_objects_by_name_and_etag(bucket: Bucket) -> None:
    for name in ("rows/b", "rows/a/c", "rows-of-others/d"):
        bucket.write(name, "1")
    first = resolve("s3://data/rows", "")
    assert first.revision == first.digest
    assert resolve("s3://data/rows/", "").digest == first.digest
    bucket.write("rows/.tmp", "in the making")
    bucket.write("rows-of-others/d", "2")
    assert resolve("s3://data/rows", "") == first
    bucket.write("rows/b", "2")
    assert resolve("s3://data/rows", "").digest != first.digest


def test_without_the_right_login_there_is_a_reason_and_no_key_in_it(bucket: Bucket, login: pytest.MonkeyPatch) -> None:
    bucket.write("one/train.csv", "abc")
    login.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(CannotResolve, match=r"the bucket data cannot be read: .*403") as refused:
        resolve("s3://data/one/train.csv", "")
    assert "another" not in str(refused.value)


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize(
    ("uri", "revision", "why"),
    [
        ("s3://", "", "names no bucket"),
        ("s3://data/none.csv", "", "the bucket data has nothing at none.csv"),
        ("s3://none/train.csv", "", "the bucket none"),
        ("quilt+s3://data/team", "", "names no package"),
        ("quilt+s3://data/team/none", "", "no revision latest of the package team/none"),
        ("quilt+s3://data/team/churn", "../churn/latest", "no revision ../churn/latest"),
        ("quilt+s3://data/team/churn", "0" * 64, "no package with the top hash 0000"),
        ("lakefs://repository/rows", "", "set LAKECTL_SERVER_ENDPOINT_URL"),
    ],
)
def test_what_cannot_be_resolved_is_an_error_with_its_reason(uri: str, revision: str, why: str) -> None:
    with pytest.raises(CannotResolve, match=why):
        resolve(uri, revision)


@pytest.mark.usefixtures("login")
def test_a_package_of_quilt_is_its_top_hash(bucket: Bucket) -> None:
    bucket.write(f".quilt/packages/{TOP_HASH}", '{"version": "v0"}\n')
    for name in ("latest", "1764370000"):
        bucket.write(f".quilt/named_packages/team/churn/{name}", TOP_HASH)
    expected = (TOP_HASH, f"quilt:{TOP_HASH}")
    for revision in ("", "latest", "1764370000", TOP_HASH):
        found = resolve("quilt+s3://data/team/churn", revision)
        assert (found.revision, found.digest) == expected


# ---- a bucket with versions


class Versioned(QuietHandler, SimpleHTTPRequestHandler):
    """Answers as S3 does about an object with two versions, of which the later one is the current one."""

    def end_headers(self) -> None:
        asked = parse_qs(urlsplit(self.path).query).get("versionId", ["v2"])[0]
        self.send_header("x-amz-version-id", asked)
        self.send_header("ETag", f'"etag-of-{asked}"')
        super().end_headers()


def test_in_a_bucket_with_versions_the_revision_is_a_version(tmp_path: Path, login: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("abc")
    with web_server(partial(Versioned, directory=str(tmp_path))) as address:
        login.setenv("AWS_ENDPOINT_URL", address)
        for revision, version in (("", "v2"), ("v2", "v2"), ("v1", "v1")):
            found = resolve("s3://data/train.csv", revision)
            assert (found.revision, found.digest) == (version, f"etag:etag-of-{version}")


# ---- lakeFS, by its published interface

ROWS = {"rows/a.csv": "a", "rows/b.csv": "b", "rows/deep/c.csv": "c", "rows2/d.csv": "d"}


@pytest.fixture
def lakefs(monkeypatch: pytest.MonkeyPatch) -> Iterator[LakefsStandIn]:
    """The login is in the variables of the container."""
    with lakefs_stand_in() as repository:
        for name, value in repository.variables.items():
            monkeypatch.setenv(name, value)
        repository.commit(ROWS)
        repository.branches["feature/a"] = repository.branches["main"]
        yield repository


@pytest.mark.parametrize("revision", ["", "main", "feature/a", None])
def test_a_name_of_lakefs_becomes_the_commit_of_now(lakefs: LakefsStandIn, revision: str | None) -> None:
    commit = lakefs.branches["main"]
    found = resolve("lakefs://churn/rows/a.csv", commit if revision is None else revision)
    assert (found.revision, found.digest) == (commit, "lakefs:0cc175b9c0f1b6a831c399e269772661")


def test_a_folder_of_lakefs_is_its_objects_on_all_pages(lakefs: LakefsStandIn) -> None:
    first = resolve("lakefs://churn/rows", "main")
    lakefs.commit({**ROWS, "rows2/d.csv": "another"})
    assert resolve("lakefs://churn/rows", "main").digest == first.digest
    lakefs.commit({**ROWS, "rows/deep/c.csv": "another"})
    assert resolve("lakefs://churn/rows", "main").digest != first.digest


@pytest.mark.usefixtures("lakefs")
@pytest.mark.parametrize(
    ("uri", "revision", "why"),
    [
        ("lakefs://none/rows", "", "no repository of that name"),
        ("lakefs://churn/rows", "none", "no branch, tag or commit none"),
        ("lakefs://churn/none.csv", "", "has nothing at none.csv"),
    ],
)
def test_what_lakefs_does_not_have_is_an_error_with_its_reason(uri: str, revision: str, why: str) -> None:
    with pytest.raises(CannotResolve, match=why):
        resolve(uri, revision)


@pytest.mark.usefixtures("lakefs")
def test_lakefs_refuses_a_wrong_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(CannotResolve, match="401"):
        resolve("lakefs://churn/rows", "")

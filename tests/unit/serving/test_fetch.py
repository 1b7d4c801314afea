"""Bringing a model from MLflow's artifact proxy, archives and directories: what was promised, and nothing else."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.support import models
from tests.support.web_server import QuietHandler, web_server
from viridian.api import manifest
from viridian.api.rejections import ModelRejection
from viridian.serving.errors import FetchFailed
from viridian.serving.fetch import sources
from viridian.serving.fetch.main import FetchSettings, fetch, parse
from viridian.serving.fetch.transfer import Transfer

ROOT = "1/models/m-1/artifacts"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass
class Artifacts:
    """What the artifact proxy speaks, over a real socket. `trouble` says what goes wrong with which request."""

    directory: Path
    url: str = ""
    trouble: dict[int, int] = field(default_factory=dict)
    always: int | None = None
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    extra: list[dict[str, object]] = field(default_factory=list)

    def answer(self, path: str) -> bytes | None:
        parts = urlsplit(path)
        if parts.path == PROXY:
            folder = parse_qs(parts.query)["path"][0]
            here = self.directory / folder.removeprefix(ROOT).lstrip("/")
            if not folder.startswith(ROOT) or not here.is_dir():
                return b"{}"
            listed = [{"path": p.name, "is_dir": p.is_dir(), "file_size": "1"} for p in sorted(here.iterdir())]
            return json.dumps({"files": listed + self.extra}).encode()
        file = self.directory / unquote(parts.path).removeprefix(f"{PROXY}/{ROOT}/").lstrip("/")
        return file.read_bytes() if file.is_file() else None


CUT = -1
"""Trouble: the answer ends in the middle."""


@pytest.fixture
def artifacts(tmp_path: Path) -> Iterator[Artifacts]:
    served = Artifacts(tmp_path / "served")

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            served.authorizations.append(self.headers["Authorization"])
            trouble = served.always or served.trouble.get(len(served.asked))
            body = served.answer(self.path)
            status = trouble if trouble and trouble > 0 else 200 if body is not None else 404
            self.send_response(status)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if status == 200 and body:
                self.wfile.write(body[: len(body) // 2] if trouble == CUT else body)

    with web_server(Handler) as served.url:
        yield served


def settings(tmp_path: Path, uri: str, digest: str = "", mlflow: str = "", **more: str) -> FetchSettings:
    variables = {
        "VIRIDIAN_MODEL_URI": uri,
        "VIRIDIAN_MODEL_DIGEST": digest,
        "VIRIDIAN_MODEL_DIR": str(tmp_path / "model"),
        "MLFLOW_TRACKING_URI": mlflow,
        **more,
    }
    return parse([], variables)


def contents(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def failure(given: FetchSettings) -> str:
    """Why it failed; the directory is empty then."""
    with pytest.raises(FetchFailed) as raised:
        fetch(given, {})
    assert contents(given.model_dir) == {}
    return str(raised.value)


@pytest.fixture
def version(artifacts: Artifacts) -> str:
    """A version with a manifest, a folder and names with blanks; its digest."""
    models.write_onnx_mlflow(artifacts.directory)
    (artifacts.directory / "a folder").mkdir()
    (artifacts.directory / "a folder" / "größe #1?.txt").write_text("x")
    return models.add_manifest(artifacts.directory)


def test_a_version_comes_whole_from_mlflow(tmp_path: Path, artifacts: Artifacts, version: str) -> None:
    given = settings(tmp_path, f"mlflow-artifacts:/{ROOT}", version, artifacts.url)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "left over").write_text("from an attempt before")
    fetch(given, {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"})
    assert contents(given.model_dir) == contents(artifacts.directory)
    assert set(artifacts.authorizations) == {"Basic dTpw"}


def test_an_address_inside_the_uri_may_name_the_tracking_server(
    tmp_path: Path, artifacts: Artifacts, version: str
) -> None:
    uri = f"{artifacts.url.replace('http', 'mlflow-artifacts')}/{ROOT}"
    fetch(settings(tmp_path, uri, version, artifacts.url), {"MLFLOW_TRACKING_TOKEN": "t"})
    assert set(artifacts.authorizations) == {"Bearer t"}


def test_what_is_proven_already_is_not_asked_for_again(tmp_path: Path, artifacts: Artifacts, version: str) -> None:
    """A node that restarts runs init steps again, perhaps while MLflow is down."""
    given = settings(tmp_path, f"mlflow-artifacts:/{ROOT}", version, artifacts.url)
    fetch(given, {})
    asked = len(artifacts.asked)
    artifacts.always = 503
    fetch(given, {})
    assert len(artifacts.asked) == asked
    assert contents(given.model_dir) == contents(artifacts.directory)


@pytest.mark.parametrize("status", [500, 503, 429, CUT])
def test_what_passes_is_waited_for(tmp_path: Path, artifacts: Artifacts, version: str, status: int) -> None:
    artifacts.trouble = dict.fromkeys((1, 3, 4), status)
    pauses: list[float] = []
    transfer = Transfer(60, 10**9, {}, pause=pauses.append)
    target = tmp_path / "model"
    target.mkdir()
    sources.bring(f"mlflow-artifacts:/{ROOT}", target, transfer, artifacts.url)
    assert contents(target) == contents(artifacts.directory)
    assert pauses == [0.5, 0.5, 1.0]


def test_the_deadline_ends_the_patience(tmp_path: Path, artifacts: Artifacts, version: str) -> None:
    artifacts.always = 503
    given = settings(tmp_path, f"mlflow-artifacts:/{ROOT}", version, artifacts.url, VIRIDIAN_FETCH_DEADLINE_SECONDS="0")
    assert "answered 503 Service Unavailable; the time for fetching the model is over" in failure(given)


def test_nobody_there_is_told_in_words(tmp_path: Path) -> None:
    given = settings(
        tmp_path, f"mlflow-artifacts:/{ROOT}", "", "http://127.0.0.1:1", VIRIDIAN_FETCH_DEADLINE_SECONDS="0"
    )
    assert "http://127.0.0.1:1/api/2.0/mlflow-artifacts/artifacts cannot be read: ConnectionRefusedError" in failure(
        given
    )


@pytest.mark.parametrize(
    ("status", "words"), [(403, "--allowed-hosts"), (401, "MLFLOW_TRACKING_USERNAME"), (404, "is not there (any more)")]
)
def test_what_does_not_pass_is_told_at_once(
    tmp_path: Path, artifacts: Artifacts, version: str, status: int, words: str
) -> None:
    artifacts.always = status
    assert words in failure(settings(tmp_path, f"mlflow-artifacts:/{ROOT}", version, artifacts.url))
    assert len(artifacts.asked) == 1


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "a/../../b", "back\\slash", "..", "", "new\nline"])
def test_names_that_lead_out_are_refused(tmp_path: Path, artifacts: Artifacts, version: str, name: str) -> None:
    artifacts.extra = [{"path": name, "is_dir": False}]
    assert "the model is refused" in failure(settings(tmp_path, f"mlflow-artifacts:/{ROOT}", version, artifacts.url))
    assert not (tmp_path / "escape").exists()


@pytest.mark.parametrize(
    ("uri", "mlflow", "words"),
    [
        ("", "", "VIRIDIAN_MODEL_URI does not say"),
        ("models:/churn/7", "http://mlflow", "must be resolved"),
        ("s3://bucket/model", "", "s3://bucket/model cannot be fetched; mlflow-artifacts:/…"),
        ("https://host/model.zip?signature=s3cret", "", "https://host/model.zip cannot be fetched"),
        ("mlflow-artifacts:/1/a", "", "MLFLOW_TRACKING_URI must be"),
        ("mlflow-artifacts:/1/../../a", "http://127.0.0.1:1", "is not a plain path"),
        ("file:///does/not/exist", "", "is neither a directory nor a .tar.gz"),
        ("relative/path", "", "cannot be fetched"),
    ],
)
def test_places_that_are_not_understood(tmp_path: Path, uri: str, mlflow: str, words: str) -> None:
    said = failure(settings(tmp_path, uri, "", mlflow)) if uri else ""
    if not uri:
        with pytest.raises(FetchFailed) as raised:
            fetch(settings(tmp_path, uri), {})
        said = str(raised.value)
    assert words in said
    assert "s3cret" not in said


def test_an_empty_place_is_no_model(tmp_path: Path, artifacts: Artifacts) -> None:
    given = settings(tmp_path, "mlflow-artifacts:/2/other", "", artifacts.url)
    assert failure(given) == "MLflow has no files at mlflow-artifacts:/2/other"


def test_something_else_than_mlflow_is_told_in_words(tmp_path: Path, artifacts: Artifacts) -> None:
    artifacts.directory.mkdir()
    artifacts.extra = [{"name": "x"}]
    given = settings(tmp_path, f"mlflow-artifacts:/{ROOT}", "", artifacts.url)
    assert "is this an MLflow server?" in failure(given)


# --- a model in an image, which the kubelet has mounted ---------------------------------------------------------------


@pytest.fixture
def mounted(tmp_path: Path) -> str:
    """The digest of what is mounted."""
    return models.add_manifest(models.write_onnx_mlflow(tmp_path / "model"))


def test_a_mounted_model_is_checked_and_nothing_else(tmp_path: Path, mounted: str) -> None:
    before = contents(tmp_path / "model")
    fetch(settings(tmp_path, "oci://r.example.com/churn:7", mounted), {})
    assert contents(tmp_path / "model") == before


def test_another_mounted_model_is_refused_and_stays(tmp_path: Path, mounted: str) -> None:
    (tmp_path / "model" / "extra.py").write_text("x")
    before = contents(tmp_path / "model")
    with pytest.raises(FetchFailed, match=r"files are not in the manifest: 'extra\.py'") as raised:
        fetch(settings(tmp_path, "oci://r.example.com/churn:7", mounted), {})
    assert raised.value.reason is ModelRejection.TAMPERED
    assert contents(tmp_path / "model") == before


def test_an_image_cannot_be_named_in_a_secret(tmp_path: Path) -> None:
    uri = "oci://PLANTED.example.com/churn:7"
    given = settings(tmp_path, uri, "sha256:0a", VIRIDIAN_MODEL_URI_SECRET="secret:churn-model/uri")
    said = failure(given)
    assert "secret:churn-model/uri holds the name of an image" in said
    assert "write it as uri" in said
    assert "PLANTED" not in said


# --- what the manifest promises --------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return models.write_onnx_mlflow(tmp_path / "place")


def add_file(place: Path) -> None:
    (place / "extra.py").write_text("x")


def drop_file(place: Path) -> None:
    (place / "model.onnx").unlink()


def flip_bit(place: Path) -> None:
    content = bytearray((place / "model.onnx").read_bytes())
    content[100] ^= 1
    (place / "model.onnx").write_bytes(content)


def link_file(place: Path) -> None:
    (place / "link").symlink_to("/etc/passwd")


def link_folder(place: Path) -> None:
    (place / "folder").symlink_to("/etc")


def same_by_case(place: Path) -> None:
    (place / "MLMODEL").write_text("x")


def rewrite_manifest(place: Path) -> None:
    models.add_manifest(place)


def rewrite_all(place: Path) -> None:
    add_file(place)
    (place / manifest.MANIFEST_PATH).unlink()
    models.add_manifest(place)


def drop_manifest(place: Path) -> None:
    (place / manifest.MANIFEST_PATH).unlink()


def pretty_manifest(place: Path) -> None:
    path = place / manifest.MANIFEST_PATH
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2))


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (add_file, "files are not in the manifest: 'extra.py'"),
        (drop_file, "names files that are missing: 'model.onnx'"),
        (flip_bit, "files differ from the manifest: 'model.onnx'"),
        (link_file, "'link' is a link or a special file"),
        (link_folder, "'folder' is a link or a special file"),
        (same_by_case, "differ by case alone"),
        (rewrite_all, "was asked for"),
        (drop_manifest, "has no viridian/manifest.json"),
        (pretty_manifest, "was asked for"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_attack_on_a_version_is_refused(
    tmp_path: Path, place: Path, attack: Callable[[Path], None], words: str
) -> None:
    digest = models.add_manifest(place)
    fetch(settings(tmp_path, place.as_uri(), digest), {})
    (tmp_path / "model" / "MLmodel").unlink()
    attack(place)
    assert words in failure(settings(tmp_path, place.as_uri(), digest))


def test_without_a_digest_a_manifest_is_checked_all_the_same(tmp_path: Path, place: Path) -> None:
    fetch(settings(tmp_path, place.as_uri()), {})
    models.add_manifest(place)
    fetch(settings(tmp_path, place.as_uri()), {})
    flip_bit(place)
    assert "differ from the manifest" in failure(settings(tmp_path, place.as_uri()))


# --- archives --------------------------------------------------------------------------------------------------------


def archive(path: Path, place: Path, prefix: str = "") -> str:
    with tarfile.open(path, "w:gz") as content:
        content.add(place, arcname=prefix or ".")
    return path.as_uri()


@pytest.mark.parametrize("prefix", ["", "churn-7"])
def test_an_archive_is_unpacked_with_or_without_a_folder_around(tmp_path: Path, place: Path, prefix: str) -> None:
    digest = models.add_manifest(place)
    fetch(settings(tmp_path, archive(tmp_path / "m.tar.gz", place, prefix), digest), {})
    assert contents(tmp_path / "model") == contents(place)


def test_an_archive_over_http(tmp_path: Path, artifacts: Artifacts, place: Path) -> None:
    digest = models.add_manifest(place)
    artifacts.directory.mkdir()
    archive(artifacts.directory / "m.tar.gz", place)
    fetch(settings(tmp_path, f"{artifacts.url}/m.tar.gz", digest), {"MLFLOW_TRACKING_TOKEN": "t"})
    assert contents(tmp_path / "model") == contents(place)
    assert artifacts.authorizations == [None], "MLflow's password is for MLflow alone"


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([member("../escape")], "is not a plain path"),
        ([member("/etc/escape")], "is not a relative path"),
        ([member("a/../../escape")], "is not a plain path"),
        ([member("link", tarfile.SYMTYPE, "/etc/passwd")], "'link', which is a link or a special file"),
        ([member("link", tarfile.LNKTYPE, "/etc/passwd")], "'link', which is a link or a special file"),
        ([member("pipe", tarfile.FIFOTYPE)], "'pipe', which is a link or a special file"),
        ([member("model.onnx"), member("MODEL.onnx")], "differs by case alone"),
        ([member("model.onnx"), member("model.onnx")], "twice"),
    ],
    ids=["dots", "absolute", "inner dots", "symlink", "hard link", "pipe", "case", "twice"],
)
def test_each_attack_by_archive_is_refused(tmp_path: Path, members: list[tarfile.TarInfo], words: str) -> None:
    path = tmp_path / "m.tar.gz"
    with tarfile.open(path, "w:gz") as content:
        for info in members:
            content.addfile(info, io.BytesIO(b""))
    assert words in failure(settings(tmp_path, path.as_uri()))
    assert not (tmp_path / "escape").exists()


def test_what_is_no_archive_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "m.tar.gz").write_text("no archive")
    assert "m.tar.gz is no .tar.gz that can be read" in failure(settings(tmp_path, (tmp_path / "m.tar.gz").as_uri()))


def test_a_model_above_the_limit_of_bytes_is_refused(tmp_path: Path, artifacts: Artifacts, version: str) -> None:
    uri = archive(tmp_path / "m.tar.gz", artifacts.directory)
    for place, mlflow in ((uri, ""), (f"mlflow-artifacts:/{ROOT}", artifacts.url)):
        given = settings(tmp_path, place, version, mlflow, VIRIDIAN_MAX_MODEL_BYTES="200")
        assert "larger than the limit of bytes" in failure(given)


# --- the command -----------------------------------------------------------------------------------------------------


def command(tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "viridian.serving.fetch.main", "--termination-log", str(tmp_path / "log"), *flags],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_says_why_it_failed(tmp_path: Path) -> None:
    done = command(tmp_path, "--model-uri", "s3://bucket/x", "--model-dir", str(tmp_path / "model"))
    assert done.returncode == 1
    sentence = (tmp_path / "log").read_text()
    assert sentence.startswith("ModelUnavailable: s3://bucket/x cannot be fetched")
    assert json.loads(done.stdout)["message"] == sentence.removeprefix("ModelUnavailable: ")


def test_the_command_tells_what_it_brought(tmp_path: Path, place: Path) -> None:
    done = command(tmp_path, "--model-uri", place.as_uri(), "--model-dir", str(tmp_path / "model"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["message"], told["files"]) == ("fetched", 2)
    assert told["bytes"] == sum(map(len, contents(place).values()))
    assert "VIRIDIAN_MODEL_DIGEST" in command(tmp_path, "--help").stdout

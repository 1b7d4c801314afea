"""Credentials for MLflow go to the origin of MLFLOW_TRACKING_URI, and to no other one."""

from __future__ import annotations

import http.client
import io
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.web_server import QuietHandler, web_server
from viridian.api.origins import artifact_origin, origin_of
from viridian.serving.errors import FetchFailed
from viridian.serving.fetch.main import fetch, parse
from viridian.serving.fetch.transfer import Transfer, _Redirects

CREDENTIALS = [
    {"MLFLOW_TRACKING_TOKEN": "PLANTED-TOKEN"},
    {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "PLANTED-PASSWORD"},
]


@dataclass
class Listener:
    """Remembers every request that arrives."""

    url: str = ""
    heads: list[dict[str, str]] = field(default_factory=list)
    location: str = ""
    """Where it sends everybody."""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@contextmanager
def listening() -> Iterator[Listener]:
    heard = Listener()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            heard.heads.append({key.lower(): value for key, value in self.headers.items()})
            self.send_response(302 if heard.location else 404)
            if heard.location:
                self.send_header("Location", heard.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with web_server(Handler) as heard.url:
        yield heard


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as heard:
        yield heard


@pytest.fixture
def tracking() -> Iterator[Listener]:
    with listening() as heard:
        yield heard


def failure(tmp_path: Path, uri: str, tracking_uri: str, credentials: dict[str, str]) -> str:
    variables = {
        "VIRIDIAN_MODEL_URI": uri,
        "VIRIDIAN_MODEL_DIR": str(tmp_path / "model"),
        "MLFLOW_TRACKING_URI": tracking_uri,
        "VIRIDIAN_FETCH_DEADLINE_SECONDS": "0",
    }
    with pytest.raises(FetchFailed) as raised:
        fetch(parse([], variables), credentials)
    return str(raised.value)


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts://127.0.0.1:{port}/1/models/m-1/artifacts",
        "mlflow-artifacts://localhost:{port}/1/models/m-1/artifacts",
        "mlflow-artifacts://mlflow.example@127.0.0.1:{port}/1/a",
        "mlflow-artifacts://user:secret@127.0.0.1:{port}/1/a",
        "MLFLOW-ARTIFACTS://127.0.0.1:{port}/1/a",
    ],
)
@pytest.mark.parametrize("server", ["http://mlflow.invalid:5000", "https://127.0.0.1:1", "http://127.0.0.1:1"])
def test_another_host_is_not_asked_at_all(
    tmp_path: Path, listener: Listener, uri: str, server: str, credentials: dict[str, str]
) -> None:
    said = failure(tmp_path, uri.format(port=listener.port), server, credentials)
    assert "nothing is asked of another MLflow server" in said
    assert "PLANTED" not in said
    assert listener.heads == []


def test_another_scheme_of_the_same_host_is_another_origin(tmp_path: Path, listener: Listener) -> None:
    """The form of MLflow names no scheme: it is that of the tracking server, and never a weaker one."""
    uri = f"mlflow-artifacts://127.0.0.1:{listener.port}/1/a"
    said = failure(tmp_path, uri, f"https://127.0.0.1:{listener.port}", CREDENTIALS[0])
    assert f"https://127.0.0.1:{listener.port}/api/2.0/mlflow-artifacts/artifacts cannot be read" in said
    assert listener.heads == []


@pytest.mark.parametrize("credentials", CREDENTIALS)
def test_where_the_server_redirects_gets_none(
    tmp_path: Path, tracking: Listener, listener: Listener, credentials: dict[str, str]
) -> None:
    tracking.location = f"{listener.url}/elsewhere"
    failure(tmp_path, "mlflow-artifacts:/1/a", tracking.url, credentials)
    assert ["authorization" in head for head in tracking.heads] == [True]
    assert ["authorization" in head for head in listener.heads] == [False]


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("query", ["", "?X-Amz-Signature=s3cret"])
def test_an_archive_gets_none(tmp_path: Path, listener: Listener, query: str, credentials: dict[str, str]) -> None:
    """Not even from the tracking server: what may be read there is read through its artifact proxy."""
    address = listener.url
    said = failure(tmp_path, f"{address}/m.tar.gz{query}", address, credentials)
    assert "s3cret" not in said
    assert ["authorization" in head for head in listener.heads] == [False]


def test_a_caller_that_asks_for_another_origin_gets_none(listener: Listener) -> None:
    transfer = Transfer(0, 1, CREDENTIALS[0], trusted=origin_of("http://mlflow.example:5000"))
    with pytest.raises(FetchFailed):
        transfer.text(f"{listener.url}/", authorize=True)
    assert ["authorization" in head for head in listener.heads] == [False]


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "file:///etc/passwd", "gopher://127.0.0.1"])
def test_a_redirect_to_no_http_is_refused(tmp_path: Path, listener: Listener, location: str) -> None:
    listener.location = location
    address = listener.url
    said = failure(tmp_path, f"{address}/m.tar.gz", address, {})
    assert any(words in said for words in ("which is not followed", "is not allowed"))


def test_a_redirect_from_https_to_http_is_refused() -> None:
    request = urllib.request.Request("https://store.example/m.tar.gz")
    with pytest.raises(FetchFailed, match=r"redirects to http://store\.example, which is not followed"):
        _Redirects().redirect_request(
            request, io.BytesIO(), 302, "Found", http.client.HTTPMessage(), "http://store.example/m.tar.gz"
        )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://mlflow:80/x", "http://MLFLOW", True),
        ("https://mlflow:443", "https://mlflow/y?z", True),
        ("http://user:pw@mlflow", "http://mlflow", True),
        ("http://mlflow", "https://mlflow", False),
        ("http://mlflow:5000", "http://mlflow:5001", False),
        ("http://mlflow", "http://mlflow.evil.example", False),
        ("http://[fd00::1]:5000", "http://[fd00::1]:5000/", True),
    ],
)
def test_origins(one: str, other: str, same: bool) -> None:
    assert (origin_of(one) == origin_of(other)) is same


@pytest.mark.parametrize("address", ["", "mlflow", "ftp://mlflow", "http://", "http://a:b", "http://[::1"])
def test_what_has_no_origin(address: str) -> None:
    assert origin_of(address) is None


def test_the_host_of_an_artifact() -> None:
    tracking = origin_of("https://mlflow.example:8443/base")
    assert tracking is not None
    assert artifact_origin("mlflow-artifacts:/1/a", tracking) == tracking
    assert artifact_origin("mlflow-artifacts:///1/a", tracking) == tracking
    assert artifact_origin("mlflow-artifacts://mlflow.example:8443/1/a", tracking) == tracking
    assert artifact_origin("mlflow-artifacts://mlflow.example/1/a", tracking) != tracking
    assert artifact_origin("mlflow-artifacts://mlflow.example:8443@evil.example/1/a", tracking) is None

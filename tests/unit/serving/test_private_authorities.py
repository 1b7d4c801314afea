"""Models from a server whose certificate a private authority has signed."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.web_server import QuietHandler, web_server
from viridian.serving.errors import FetchFailed
from viridian.serving.fetch.transfer import Transfer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Its address; the authority lies in `ca.crt`."""
    Authority.made(tmp_path / "ca.crt").sign(tmp_path / "tls.crt", tmp_path / "tls.key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")

    class Answers(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"model")

    with web_server(Answers, tls=context) as address:
        yield f"{address}/m"


def test_a_private_authority_is_trusted(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    assert Transfer(0, 100, {}).text(server) == b"model"


def test_authorities_that_are_not_there_are_named(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/viridian/authorities/ca.crt")
    with pytest.raises(FetchFailed, match="make the ConfigMap of the operator's --ca-bundle in this namespace"):
        Transfer(0, 100, {}).text(server)


def test_an_authority_that_is_unknown_is_no_missing_file(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(FetchFailed, match="CERTIFICATE_VERIFY_FAILED") as refused:
        Transfer(0, 100, {}).text(server)
    assert "ConfigMap" not in str(refused.value)

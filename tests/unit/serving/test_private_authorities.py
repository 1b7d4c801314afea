"""Models from a server whose certificate a private authority has signed."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from viridian.serving.errors import FetchFailed
from viridian.serving.fetch.transfer import Transfer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Its address; the authority lies in `ca.crt`."""
    Authority.made(tmp_path / "ca.crt").sign(tmp_path / "tls.crt", tmp_path / "tls.key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"model")

        def log_message(self, *_: object) -> None:
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    served.socket = context.wrap_socket(served.socket, server_side=True)
    threading.Thread(target=served.serve_forever, args=(0.05,), daemon=True).start()
    yield f"https://127.0.0.1:{served.server_address[1]}/m"
    served.shutdown()
    served.server_close()


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

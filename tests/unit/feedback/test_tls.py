"""The collector with TLS: operator, servers and Jobs reach it where they have its authority, and nobody else does."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx
import pytest
from cryptography import x509

from benchmarks.feedback.traffic import HEADERS, OWNERS
from tests.support.certificates import Authority
from tests.support.collector_process import CollectorProcess, launched, reviewing
from viridian.api.feedback import CA_FILE
from viridian.feedback.collector_settings import parse
from viridian.ports.collector import FeedbackUnavailable, HttpCollector
from viridian.serving.observation.collector_client import CollectorAddress
from viridian.tls import Certificate, CertificateUnusable
from viridian.training import feedback as training


@dataclass
class Stage:
    collector: CollectorProcess
    authority: Authority
    folder: Path
    token: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.collector.port}"

    def renew(self) -> int:
        return self.authority.sign(self.folder / "tls.crt", self.folder / "tls.key")

    def serial(self) -> int:
        """Of the certificate that it shows now."""
        pem = ssl.get_server_certificate(("127.0.0.1", self.collector.port))
        return x509.load_pem_x509_certificate(pem.encode()).serial_number


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A collector with TLS, and a pod's folder with its token and the authority."""
    pod = tmp_path / "pod"
    pod.mkdir()
    (pod / "token").write_text(next(iter(OWNERS)))
    authority = Authority.made(pod / CA_FILE)
    authority.sign(tmp_path / "tls.crt", tmp_path / "tls.key")
    files = {"tls_cert_file": str(tmp_path / "tls.crt"), "tls_key_file": str(tmp_path / "tls.key")}
    async with reviewing(OWNERS) as api, launched(api, tmp_path / "data", **files) as collector:
        yield Stage(collector, authority, tmp_path, pod / "token")


async def ask(stage: Stage, token: Path | None) -> None:
    async with aiohttp.ClientSession() as session:
        feedback = HttpCollector(session, stage.url, token)
        await feedback.windows("ml", "churn", start=0, end=3600, seconds=3600, revision=None)


def answered(stage: Stage, authority: Path | None) -> int:
    connection = CollectorAddress(stage.url, authority).connect()
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    finally:
        connection.close()


async def test_the_operator_knows_it_by_the_authority_beside_its_token(stage: Stage, tmp_path: Path) -> None:
    await ask(stage, stage.token)
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "token").write_text(stage.token.read_text())
    with pytest.raises(FeedbackUnavailable, match=r"certificate verify failed|SSL"):
        await ask(stage, stranger / "token")
    Authority.made(stranger / CA_FILE)
    with pytest.raises(FeedbackUnavailable):
        await ask(stage, stranger / "token")


async def test_a_server_knows_it_by_the_same_authority(stage: Stage) -> None:
    assert await asyncio.to_thread(answered, stage, stage.authority.file) == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(answered, stage, None)


async def test_a_training_job_knows_it_by_the_same_authority(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=stage.authority.file)) as http:
        expected = (await http.get(f"{stage.url}/healthz")).content
    monkeypatch.setenv(training.URI_VARIABLE, f"{stage.url}/healthz")
    monkeypatch.setenv(training.DIGEST_VARIABLE, f"sha256:{hashlib.sha256(expected).hexdigest()}")
    monkeypatch.setenv("VIRIDIAN_COLLECTOR_TOKEN_FILE", str(stage.token))
    assert await asyncio.to_thread(training.download, tmp_path / "rows") == tmp_path / "rows"
    stage.authority.file.unlink()
    with pytest.raises(OSError, match="certificate"):
        await asyncio.to_thread(training.download, tmp_path / "rows")


async def test_without_tls_nobody_is_answered(stage: Stage) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.HTTPError):
            await http.get(stage.url.replace("https", "http") + "/healthz")


async def test_a_body_that_is_refused_gets_its_answer(stage: Stage) -> None:
    context = ssl.create_default_context(cafile=stage.authority.file)
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.collector.port, ssl=context)
    head = f"POST /v1/predictions HTTP/1.1\r\nHost: a\r\nAuthorization: {HEADERS['Authorization']}\r\n"
    writer.write(f"{head}Content-Length: 99999999999\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == b"413"
    await reader.read()
    writer.close()


async def test_a_renewed_certificate_is_shown_without_a_restart(stage: Stage) -> None:
    async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=stage.authority.file)) as http:
        assert (await http.get(f"{stage.url}/healthz")).status_code == 200
        renewed = stage.renew()
        async with asyncio.timeout(30):
            while await asyncio.to_thread(stage.serial) != renewed:
                pass
        assert (await http.get(f"{stage.url}/healthz")).status_code == 200, "connections that stand go on"


def test_half_written_files_leave_the_former_certificate_in_use(tmp_path: Path) -> None:
    authority = Authority.made(tmp_path / "ca.crt")
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    authority.sign(certificate, key)
    known = Certificate(certificate, key)
    assert known.renew() == ""
    former = key.read_bytes()
    authority.sign(certificate, key)
    key.write_bytes(former)
    assert "the former certificate stays in use" in known.renew()
    assert known.renew() == "", "said once"
    authority.sign(certificate, key)
    assert known.renew() == ""
    key.unlink()
    assert "cannot be read" in known.renew()


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_certificate_that_cannot_be_used_is_said_at_the_start(content: str | None, tmp_path: Path) -> None:
    for name in ("tls.crt", "tls.key") if content is not None else ():
        (tmp_path / name).write_text(str(content))
    with pytest.raises(CertificateUnusable) as problem:
        Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    assert str(tmp_path / "tls.crt") in str(problem.value.strerror)


@pytest.mark.parametrize("flag", ["--tls-cert-file", "--tls-key-file"])
def test_a_certificate_without_its_key_makes_no_sense(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([flag, "/x"], {})
    assert "go together" in capsys.readouterr().err

"""The receiver as the operator starts it: whether it listens at all, by TLS or without, and what keeps it from that."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import aiohttp.web
import pytest
from cryptography import x509

from localcluster.ports import free_ports
from tests.support.certificates import Authority
from viridian import bounded_site
from viridian.bounded_site import BoundedSite
from viridian.controller.config import parse
from viridian.controller.event_receiver import receiving
from viridian.controller.telemetry import Telemetry
from viridian.ports.connection import ApiConnection
from viridian.tls import Certificate, CertificateUnusable

NOWHERE = ApiConnection(server="http://127.0.0.1:1")


async def test_without_a_port_nothing_listens() -> None:
    async with receiving(parse([], {}), NOWHERE, Telemetry()):
        pass


async def test_it_listens_counts_and_acknowledges_nothing_without_an_api_server(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "key").write_text("a-key-of-at-least-24-bytes")
    config = parse([f"--events-port={port}", f"--events-keys=ml={tmp_path}"], {})
    telemetry = Telemetry()
    async with receiving(config, NOWHERE, telemetry), aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}/v1/events/ml/churn"
        statuses = {}
        for scheme in ("Basic", "Bearer"):
            async with http.post(url, data=b"{}", headers={"Authorization": f"{scheme} x"}) as response:
                statuses[scheme] = response.status
        assert statuses == {"Basic": 401, "Bearer": 503}
    exposed = b"".join(telemetry.exposition()).decode()
    assert 'viridian_received_events_total{result="401"} 1.0' in exposed
    assert 'viridian_received_events_total{result="503"} 1.0' in exposed
    assert 'resource="tokenreviews"' in exposed


async def test_a_port_that_is_taken_ends_the_operator_with_a_sentence() -> None:
    server = await asyncio.start_server(lambda *_: None, "", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(OSError, match="ddress already in use"):
        async with receiving(parse([f"--events-port={port}"], {}), NOWHERE, Telemetry()):
            pass
    server.close()
    await server.wait_closed()


async def test_a_certificate_that_is_not_there_ends_it_as_well(tmp_path: Path) -> None:
    with pytest.raises(CertificateUnusable, match="tls"):
        async with receiving(parse(["--events-port=0", f"--events-tls={tmp_path}"], {}), NOWHERE, Telemetry()):
            pass


async def test_by_tls_with_a_certificate_that_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_site, "_RENEWAL_SECONDS", 0.02)
    authority = Authority.made(tmp_path / "ca.crt")
    first = authority.sign(tmp_path / "tls.crt", tmp_path / "tls.key")
    site = BoundedSite(aiohttp.web.Application(), 0, Certificate(tmp_path / "tls.crt", tmp_path / "tls.key"))
    await site.start()
    try:
        assert await serial(site, authority) == first
        second = authority.sign(tmp_path / "tls.crt", tmp_path / "tls.key")
        async with asyncio.timeout(10):
            while await serial(site, authority) != second:
                pass
    finally:
        await site.close()


async def serial(site: BoundedSite, authority: Authority) -> int:
    """Of the certificate that it shows, which the authority must have signed."""
    trusted = ssl.create_default_context(cafile=authority.file)
    _, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=trusted)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(shown).serial_number

"""What a sender may take of the operator is bounded: bytes, time, connections, requests a second."""

from __future__ import annotations

import asyncio
import gzip
import logging
from pathlib import Path

import pytest

from tests.support.event_sending import STRUCTURED, body_of, cloud_event, signed
from tests.support.receiving import PATH, Receiver, receiver_on
from viridian import bounded_site
from viridian.receiver import receiver_app
from viridian.receiver.receiver_app import MAX_BODY_BYTES


async def test_a_body_is_bounded(receiver: Receiver) -> None:
    fits = body_of(cloud_event(data="x" * (MAX_BODY_BYTES - 300)))
    assert len(fits) <= MAX_BODY_BYTES
    assert (await receiver.send(fits, signed(fits, receiver.now))).status == 202
    large = body_of(cloud_event("2", data="x" * MAX_BODY_BYTES))
    assert (await receiver.send(large, signed(large, receiver.now))).status == 413
    assert len(receiver.stored()) == 1


@pytest.fixture(autouse=True)
def _short_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits here for what a client still sends."""
    monkeypatch.setattr(bounded_site, "_LINGER_SECONDS", 0.05)


async def raw(receiver: Receiver, *parts: bytes) -> bytes:
    """Bytes to the port, and all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.site.port)
    try:
        for part in parts:
            writer.write(part)
        return await reader.read()
    finally:
        writer.close()


def head(*lines: str, length: str = "Content-Length: 10") -> bytes:
    return "\r\n".join((f"POST {PATH} HTTP/1.1", "Host: x", length, *lines, "", "")).encode()


def signed_head(length: str) -> bytes:
    return head(*(f"{name}: {value}" for name, value in signed(b"", 0).items()), length=length)


async def test_an_endless_body_in_chunks_is_bounded(receiver: Receiver) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = await raw(receiver, signed_head("Transfer-Encoding: chunked"), *[chunk] * 10)
    assert b" 413 " in answer.splitlines()[0]


async def test_a_body_that_is_announced_too_large_is_not_read(receiver: Receiver) -> None:
    answer = await raw(receiver, signed_head("Content-Length: 100000000"))
    assert b" 413 " in answer.splitlines()[0]


async def test_a_body_that_does_not_come_is_not_waited_for(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_app, "BODY_SECONDS", 0.05)
    answer = await raw(receiver, signed_head("Content-Length: 10"), b"123")
    assert b" 408 " in answer.splitlines()[0]


async def test_a_head_that_does_not_come_ends_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_site, "HEAD_SECONDS", 0.05)
    async with receiver_on(tmp_path) as receiver:
        assert await raw(receiver, b"POST /v1/events HTTP/1.1\r\nHost") == b""
        assert await raw(receiver) == b""


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([f"X-{number}: 1" for number in range(100)], id="many headers"),
        pytest.param([f"X-Long: {'x' * 10_000}"], id="a long header"),
        pytest.param(["Bad Header"], id="no header"),
    ],
)
async def test_a_head_is_bounded(receiver: Receiver, lines: list[str]) -> None:
    answer = await raw(receiver, head(*lines), b"x" * 10)
    assert b" 400 " in answer.splitlines()[0]


async def test_a_head_that_cannot_be_read_is_not_logged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for broken in ("Authorization: Bearer secret\x00token", "Bad secret\x01: token"):
            assert b" 400 " in (await raw(receiver, head(broken))).splitlines()[0]
    assert "secret" not in caplog.text


async def test_two_framings_of_one_body_are_refused(receiver: Receiver) -> None:
    answer = await raw(receiver, head("Transfer-Encoding: chunked"), b"0\r\n\r\n")
    assert b" 400 " in answer.splitlines()[0]


async def test_a_connection_has_one_request(receiver: Receiver) -> None:
    answer = await raw(receiver, *[head(length="Content-Length: 0")] * 3)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in answer


async def test_connections_are_bounded(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_site, "CONNECTIONS", 0)
    answer = await raw(receiver, head())
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: 2" in answer


async def test_a_body_that_is_compressed_is_not_unpacked(receiver: Receiver) -> None:
    body = gzip.compress(body_of(cloud_event()))
    reply = await receiver.send(body, {**signed(body, receiver.now), "Content-Encoding": "gzip"})
    assert (reply.status, receiver.stored()) == (415, [])


async def test_a_sender_is_held_to_its_rate_and_others_are_not(tmp_path: Path) -> None:
    async with receiver_on(tmp_path, rate=1) as receiver:
        (receiver.keys / "ml" / "second").write_text("another-key-of-at-least-24-bytes")
        statuses = [(await receiver.send_event(str(number))).status for number in range(12)]
        assert statuses == [202] * 10 + [202, 429]
        body = body_of(cloud_event("other"))
        other = signed(body, receiver.now, key="another-key-of-at-least-24-bytes")
        assert (await receiver.send(body, other)).status == 202
        receiver.clock.advance(5)
        assert (await receiver.send_event("later")).status == 202


async def test_forged_requests_do_not_use_up_the_rate_of_a_sender(tmp_path: Path) -> None:
    async with receiver_on(tmp_path, rate=1) as receiver:
        body = body_of(cloud_event())
        for _ in range(50):
            forged = {**signed(body, receiver.now), "webhook-signature": "v1,forged"}
            assert (await receiver.send(body, forged)).status == 401
        assert (await receiver.send_event()).status == 202


async def test_an_address_is_held_to_a_rate_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_app, "_ADDRESS_EACH_SECOND", 1.0)
    async with receiver_on(tmp_path) as receiver:
        sent = [(await receiver.send(b"", {"Content-Type": STRUCTURED})).status for _ in range(13)]
    assert sent == [401] * 11 + [429] * 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/events/ml", 404),
        ("/v1/events/ml/churn/more", 404),
        ("/v1/events/ml/..%2Fother", 404),
        ("/v1/events/ML/churn", 404),
        (f"/v1/events/ml/{'x' * 64}", 404),
        ("/", 404),
        ("/metrics", 404),
    ],
)
async def test_there_is_one_path(receiver: Receiver, path: str, status: int) -> None:
    body = body_of(cloud_event())
    url = f"http://127.0.0.1:{receiver.site.port}{path}"
    async with receiver.http.post(url, data=body, headers=signed(body, receiver.now)) as response:
        assert response.status == status
    async with receiver.http.get(f"http://127.0.0.1:{receiver.site.port}{PATH}") as response:
        assert response.status == 405


async def test_an_error_of_our_own_shows_nothing(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.cluster.get = None  # type: ignore[assignment, method-assign]
    reply = await receiver.send_event(subject="a-person")
    assert reply.status == 500
    assert "TypeError" in caplog.text
    assert "a-person" not in caplog.text

"""A connection to a challenger: whatever comes back, it becomes an answer or a reason, and never more memory."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.challengers import (
    POISON,
    Behaviour,
    Request,
    Writer,
    answers,
    challenged,
    closes,
    closes_in_the_middle,
    floods,
    sleeps,
    trickles,
    writes,
)
from viridian.api.shadow import Failure
from viridian.serving.pod_address import Target
from viridian.serving.pod_connection import Failed
from viridian.serving.shadow import challenger as module
from viridian.serving.shadow.challenger import Challenger

Connect = Callable[[str], Challenger]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes connections, and closes them."""
    made: list[Challenger] = []

    def new(url: str) -> Challenger:
        made.append(Challenger(Target(url)))
        return made[-1]

    yield new
    for one in made:
        one.close()


async def test_an_answer_has_headers_and_body_and_the_connection_is_kept(connect: Connect) -> None:
    async with challenged(answers(200, b"{}", "X-Viridian-Revision: abc")) as other:
        asked = connect(other.url)
        for number in range(3):
            answer = await asked.ask(b"/v2/models/a%20b/infer", [(b"x-one", b"1")], b"%d" % number)
            assert answer.body == b"{}"
            assert answer.header(b"x-viridian-revision") == b"abc"
            assert answer.header(b"x-nothing") == b""
        assert other.connections == 1
        assert [request.body for request in other.seen] == [b"0", b"1", b"2"]
        assert other.seen[0].head == (
            "POST /v2/models/a%20b/infer HTTP/1.1\r\n"
            f"host: 127.0.0.1:{other.port}\r\nx-one: 1\r\ncontent-length: 1\r\n\r\n"
        )


async def test_an_answer_in_chunks_is_put_together(connect: Connect) -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    async with challenged(writes(chunked)) as other:
        assert (await connect(other.url).ask(b"/", [], b"")).body == b"{}"


async def test_a_connection_that_the_other_side_ends_is_opened_anew(connect: Connect) -> None:
    async def answers_and_leaves(_request: Request, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()
        await writer.wait_closed()

    async with challenged(answers_and_leaves) as other:
        asked = connect(other.url)
        for _ in range(3):
            assert (await asked.ask(b"/", [], b"")).body == b"{}"
        assert other.connections == 3


BAD: dict[str, tuple[Behaviour, Failure]] = {
    "500": (answers(500, POISON), Failure.FAILED),
    "503": (answers(503, POISON), Failure.FAILED),
    "400": (answers(400, POISON), Failure.REFUSED),
    "redirect": (answers(307, POISON, "location: http://127.0.0.1:1/"), Failure.STATUS),
    "204": (writes(b"HTTP/1.1 204 X\r\n\r\n"), Failure.STATUS),
    "continue": (writes(b"HTTP/1.1 100 Continue\r\n\r\n"), Failure.STATUS),
    "sleeps": (sleeps, Failure.TIME_OUT),
    "byte by byte": (trickles, Failure.TIME_OUT),
    "closes": (closes, Failure.CLOSED),
    "closes in the middle": (closes_in_the_middle, Failure.CLOSED),
    "rubbish": (writes(b"\x00\xff" + POISON), Failure.MALFORMED),
    "upgrade": (writes(b"HTTP/1.1 101 X\r\nupgrade: a\r\nconnection: upgrade\r\n\r\n" + POISON), Failure.MALFORMED),
    "two answers": (writes(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" * 2), Failure.MALFORMED),
    "without an end": (floods, Failure.TOO_LARGE),
    "endless head": (writes(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000), Failure.TOO_LARGE),
}


@pytest.mark.parametrize(("behaviour", "reason"), BAD.values(), ids=BAD)
async def test_whatever_it_does_is_a_reason(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, reason: Failure
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2 if reason is Failure.TIME_OUT else 60.0)
    async with challenged(behaviour) as other:
        asked = connect(other.url)
        for _ in range(2):
            with pytest.raises(Failed) as caught:
                await asked.ask(b"/", [], b"{}")
            assert caught.value.reason is reason
            assert POISON.decode() not in str(caught.value)


async def test_nobody_there(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Failed, match="Connect"):
        await connect(f"http://127.0.0.1:{port}").ask(b"/", [], b"")


async def test_a_challenger_that_does_not_read_is_not_waited_for(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        asked = connect(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(Failed, match="TimeOut"):
            await asked.ask(b"/", [], bytes(32 * 1024 * 1024))


@pytest.mark.parametrize(
    "url",
    ["", "churn:8080", "https://churn:8080", "ftp://churn", "file:///etc/passwd", "http://", "http://churn:8080/path",
     "http://churn?query", "http://churn#part", "http://me:secret@churn", "http://churn:99999", "http://churn:x",
     "http://chu\r\nrn", "http://chu rn", "http://chürn", "http://[::1"],
)  # fmt: skip
def test_an_address_that_is_not_host_and_port_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Target(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://churn-preview:8080", "churn-preview", 8080),
        ("http://churn/", "churn", 80),
        ("http://[::1]:81", "::1", 81),
    ],
)
def test_an_address(url: str, host: str, port: int) -> None:
    target = Target(url)
    assert (target.host, target.port) == (host, port)

"""What a client sees on its connection, byte by byte, with an application that does next to nothing."""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from typing import Any

import pytest

from tests.support.background import in_background
from tests.support.wire import Wire, chunked, head, request, wire
from viridian.http.bodies import BodyTooLarge, BodyTooSlow, Disconnected, announced_length, read_body
from viridian.http.bounds import HEAD_BYTES, KEPT_BYTES, Bounds
from viridian.http.listener import Listener

LIMIT = 1_000_000
SECONDS = 1.0
ROUTES = {"/": 200, "/early": 401}

Message = MutableMapping[str, Any]
Connect = Callable[[], Wire]


async def application(scope: Message, receive: Any, send: Any) -> None:
    """How long the body is, and which headers of the client's own it sees then; at `/early`, before it looks."""
    status = ROUTES.get(scope["path"], 404)
    told = b""
    if status == 200:
        try:
            body = await read_body(scope, receive, LIMIT, announced_length(scope["headers"]))
            told = str(len(body)).encode()
            told += b"".join(b" " + name for name, _ in scope["headers"] if name.startswith(b"x-"))
        except BodyTooLarge:
            status = 413
        except BodyTooSlow:
            status = 408
        except Disconnected:
            return
    headers = [(b"content-length", str(len(told)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": told})


@contextlib.asynccontextmanager
async def listening(connections: int = 50, seconds: float = SECONDS) -> AsyncIterator[Listener]:
    bounds = Bounds(seconds=seconds, body_bytes=LIMIT, connections=connections)
    listener = Listener(application, "127.0.0.1", 0, bounds, grace_seconds=20)
    running = asyncio.create_task(listener.run_until_stopped())
    try:
        yield listener
    finally:
        listener.stop()
        await running


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with in_background(listening()) as listener:
        yield listener


@pytest.fixture
def connect(listener: Listener) -> Iterator[Connect]:
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(wire(listener.port))


# ---- Upgrade ----

UPGRADES = [
    ("upgrade: h2c", "connection: Upgrade, HTTP2-Settings", "http2-settings: AAMAAABkAAQAAP__"),
    ("upgrade: h2c", "connection: upgrade"),
    ("Upgrade: websocket", "Connection: keep-alive, Upgrade", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="),
    ("upgrade: TLS/1.0, HTTP/1.1", "connection: upgrade"),
    ("connection: upgrade", "upgrade: a", "upgrade: b"),
]


@pytest.mark.parametrize("headers", UPGRADES, ids=lambda headers: headers[0])
def test_an_upgrade_is_ignored_and_the_request_answered(connect: Connect, headers: tuple[str, ...]) -> None:
    body = b"x" * 1000
    whole = request("POST", "/", body, *headers)
    at_once, later, split, none, pieces = (connect() for _ in range(5))
    at_once.send(whole)
    later.send(whole[: -len(body)], body[:1], body[1:])
    split.send(whole[:20], whole[20:60], whole[60:])
    none.send(request("GET", "/", b"", *headers))
    pieces.send(chunked("POST", "/", [body[:400], body[400:]], *headers))
    for client, told in ((at_once, b"1000"), (later, b"1000"), (split, b"1000"), (none, b"0"), (pieces, b"1000")):
        answer = client.answer()
        assert (answer.status, answer.body, answer.closes) == (200, told, False)
        client.send(request("POST", "/", b"four"))
        assert client.answer().body == b"4", "and the connection is as good as before"


def test_upgrades_in_a_pipeline(connect: Connect) -> None:
    client = connect()
    one = [request("POST", "/", b"a" * n, *UPGRADES[0]) for n in range(1, 40)]
    client.send(b"".join([*one, chunked("POST", "/", [b"abc"], *UPGRADES[1]), request("POST", "/", b"last")]))
    assert [client.answer().body for _ in range(41)] == [b"%d" % n for n in [*range(1, 40), 3, 4]]


def test_an_upgrade_does_not_hide_a_close(connect: Connect) -> None:
    client = connect()
    client.send(request("POST", "/", b"abc", "upgrade: h2c", "connection: upgrade, close"))
    assert client.answer().closes
    assert client.ended()


def test_a_tunnel_is_refused(connect: Connect) -> None:
    client = connect()
    client.send(head(["CONNECT other:443 HTTP/1.1", "host: other:443"]))
    answer = client.answer()
    assert (answer.status, answer.closes) == (405, True)
    assert client.ended()


# ---- answers before the body is there ----

EARLY = [("/early", 401), ("/nothing", 404)]


@pytest.mark.parametrize("size", [10, KEPT_BYTES, KEPT_BYTES + 1, 3_000_000, 20_000_000])
@pytest.mark.parametrize(("path", "status"), [*EARLY, ("/", 413)])
def test_whoever_sends_everything_before_reading_sees_the_answer(
    connect: Connect, path: str, status: int, size: int
) -> None:
    if status == 413 and size <= LIMIT:
        size += LIMIT
    for whole in (request("POST", path, b"x" * size), chunked("POST", path, [b"x" * 1000] * (size // 1000 + 1))):
        client = connect()
        client.send(whole)
        answer = client.answer()
        assert answer.status == status
        if answer.closes:
            assert client.ended()
        else:
            client.send(request("POST", "/", b"four"))
            assert client.answer().body == b"4"


def test_a_short_body_is_read_to_its_end_and_the_connection_kept(connect: Connect) -> None:
    client = connect()
    client.send(request("POST", "/early", length=2000))
    assert not client.answer().closes
    client.send(b"x" * 2000 + request("POST", "/", b"four"))
    assert client.answer().body == b"4"


def test_requests_behind_an_early_answer_are_answered(connect: Connect) -> None:
    client = connect()
    client.send(request("POST", "/early", b"x" * 200_000) + request("POST", "/", b"four") + request("GET", "/nothing"))
    assert [client.answer().status for _ in range(3)] == [401, 200, 404]


@pytest.mark.parametrize("path", ["/early", "/"])
def test_whoever_waits_for_100_gets_the_answer_instead(connect: Connect, path: str) -> None:
    client = connect()
    client.send(request("POST", path, b"", "expect: 100-continue", length=LIMIT + 1))
    answer = client.answer()
    assert (answer.status, answer.closes) == (ROUTES[path] if path == "/early" else 413, True)
    client.send(b"x" * 5000)
    assert client.ended()


def test_whoever_waits_for_100_and_is_welcome_gets_it(connect: Connect) -> None:
    client = connect()
    client.send(request("POST", "/", b"", "expect: 100-continue", length=4))
    assert client.answer().status == 100
    client.send(b"four")
    answer = client.answer()
    assert (answer.body, answer.closes) == (b"4", False)
    old = connect()
    old.send(head(["POST / HTTP/1.0", "expect: 100-continue", "content-length: 4"]) + b"four")
    assert old.answer().status == 200, "HTTP/1.0 knows no 100"


@pytest.mark.parametrize("length", [LIMIT + 1, 99_999_999_999, 2**63, 2**64, 10**30])
def test_a_length_above_the_limit_is_answered_at_once(connect: Connect, length: int) -> None:
    client = connect()
    client.send(request("POST", "/", length=length))
    assert client.answer().status == 413
    assert client.ended()


# ---- bytes that are no request ----

BROKEN = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no number": head(["POST / HTTP/1.1", "content-length: ten"]),
    "negative": head(["POST / HTTP/1.1", "content-length: -1"]),
    "two lengths": head(["POST / HTTP/1.1", "content-length: 1", "content-length: 2"]),
    "length and chunks": head(["POST / HTTP/1.1", "content-length: 1", "transfer-encoding: chunked"]),
    "chunk": head(["POST / HTTP/1.1", "transfer-encoding: chunked"]) + b"zz\r\n",
    "header": head(["GET / HTTP/1.1", "a b: c"]),
    "target": b"GET \x80\x80 HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_request_is_400(connect: Connect, data: bytes) -> None:
    client, behind = connect(), connect()
    client.send(data, b"x" * 300_000)
    answer = client.answer()
    assert (answer.status, answer.closes) == (400, True)
    assert answer.document["error"]
    assert client.ended()
    behind.send(request("POST", "/", b"four") + request("GET", "/nothing") + data)
    assert [behind.answer().status for _ in range(3)] == [200, 404, 400], "requests before it are answered first"
    assert behind.ended()


def test_a_head_that_is_too_large_is_431(connect: Connect) -> None:
    for data in (
        head(["GET / HTTP/1.1", f"a: {'x' * HEAD_BYTES}"]),
        head(["GET / HTTP/1.1", *(f"a{n}: x" for n in range(10_000))]),
        f"GET /{'x' * HEAD_BYTES} HTTP/1.1\r\n\r\n".encode(),
        f"GET /{'x' * HEAD_BYTES}".encode(),
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (HEAD_BYTES // 4),
    ):
        client = connect()
        client.send(data)
        answer = client.answer()
        assert (answer.status, answer.closes) == (431, True)
        assert client.ended()
    large = connect()
    large.send(head(["GET / HTTP/1.1", f"a: {'x' * (HEAD_BYTES - 100)}"]))
    assert large.answer().status == 200
    large.send(request("POST", "/", b"x" * (2 * HEAD_BYTES)) + request("GET", "/nothing"))
    assert [large.answer().status for _ in range(2)] == [200, 404], "a body does not count as a head"


def test_chunks_that_are_all_framing_end(connect: Connect) -> None:
    client = connect()
    client.send(head(["POST / HTTP/1.1", "transfer-encoding: chunked"]))
    with contextlib.suppress(ConnectionError):
        for _ in range(12):
            client.send(b"1;" + b"x" * 1_000_000 + b"\r\nx\r\n")
    assert client.answer().status in (400, 413, 431)


def test_trailers_are_no_headers(connect: Connect) -> None:
    client = connect()
    trailed = chunked("POST", "/", [b"four"], "x-early: 1").removesuffix(b"\r\n") + b"x-late: 1\r\n\r\n"
    client.send(trailed + request("POST", "/", b"abc"))
    assert [client.answer().body for _ in range(2)] == [b"4 x-early", b"3"]


def test_a_body_in_small_chunks_is_read(connect: Connect) -> None:
    client = connect()
    client.send(chunked("POST", "/", [b"{", b'"a"', b":", b"12345", b"}"] * 20_000))
    assert client.answer().body == b"220000"


# ---- time ----


def test_what_stalls_is_408(connect: Connect) -> None:
    starts = [
        b"GET",
        b"POST / HTTP/1.1\r\nhost: a\r\n",
        request("POST", "/", length=10),
        request("POST", "/", b"x", length=10),
        head(["POST / HTTP/1.1", "transfer-encoding: chunked"]) + b"4\r\nab",
    ]
    clients = [connect() for _ in starts]
    for client, start in zip(clients, starts, strict=True):
        client.send(start)
    for client in clients:
        answer = client.answer()
        assert (answer.status, answer.closes) == (408, True)
        assert client.ended()


def test_bytes_that_trickle_do_not_prolong_it(connect: Connect) -> None:
    client = connect()
    client.send(request("POST", "/", length=10_000))
    while not select.select([client.socket], [], [], 0.05)[0]:
        client.send(b"x")
    assert client.answer().status == 408


def test_an_early_answer_does_not_make_the_rest_of_the_body_last_for_ever(connect: Connect) -> None:
    client = connect()
    client.send(request("POST", "/early", length=2000))
    assert client.answer().status == 401
    assert client.ended()


def test_whoever_says_nothing_is_let_go_without_a_word(connect: Connect) -> None:
    silent, blank, used = connect(), connect(), connect()
    used.send(request("GET", "/"))
    assert used.answer().status == 200
    blank.send(b"\r\n")
    assert silent.ended()
    assert blank.ended()
    used.send(request("GET", "/"))
    assert used.answer().status == 200, "a connection that has been used waits for longer"


def test_a_client_that_ends_its_side_still_gets_its_answers(connect: Connect) -> None:
    for data, count in ((request("POST", "/", b"abcd"), 1), (request("POST", "/", b"abcd") * 3, 3)):
        client = connect()
        client.send(data)
        client.end_sending()
        assert [client.answer().body for _ in range(count)] == [b"4"] * count
        assert client.ended()


# ---- more than there may be ----


def test_more_connections_than_allowed_are_told_so() -> None:
    with in_background(listening(connections=3)) as listener, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(wire(listener.port)) for _ in range(3)]
        for client in clients:
            client.send(request("GET", "/"))
            assert client.answer().status == 200
        surplus = stack.enter_context(wire(listener.port))
        surplus.send(request("POST", "/", b"x" * 2_000_000))
        answer = surplus.answer()
        assert (answer.status, answer.closes, answer.headers["retry-after"]) == (503, True, "1")
        assert surplus.ended()
        for client in clients:
            client.send(request("GET", "/"))
            assert client.answer().status == 200, "those that were there first stay"
            client.close()


# ---- the end of the process ----


def test_nobody_holds_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """Stalled requests and connections that linger are gone before the grace is over, of which uvicorn would tell."""
    with contextlib.ExitStack() as stack:
        with in_background(listening(seconds=60)) as listener:
            clients = [stack.enter_context(wire(listener.port)) for _ in range(7)]
            silent, idle, in_head, in_body, lingering, answered, gone = clients
            idle.send(request("GET", "/"))
            assert idle.answer().status == 200
            in_head.send(b"POST / HTTP/1.1\r\n")
            in_body.send(request("POST", "/", b"x", length=10))
            lingering.send(request("POST", "/", length=99_999_999_999))
            assert lingering.answer().status == 413
            answered.send(request("POST", "/early", length=5))
            assert answered.answer().status == 401
            gone.send(request("POST", "/", length=10))
            gone.close()
        assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
        assert silent.ended()
        assert [client.answer().status for client in (in_head, in_body)] == [408, 408]

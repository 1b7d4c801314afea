"""What sockets see of the real processes: upgrades, answers that come early, and clients that are slow or endless."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.support.clients.targets import LIMIT, Target
from tests.support.wire import Wire, chunked, head, request, wire
from viridian.feedback.ingest.request_bodies import MAX_CONCURRENT

Connect = Callable[[], Wire]

UPGRADES = [
    ("upgrade: h2c", "connection: Upgrade, HTTP2-Settings", "http2-settings: AAMAAABkAAQAAP__"),
    ("upgrade: h2c", "connection: upgrade"),
    ("upgrade: websocket", "connection: keep-alive, Upgrade"),
    ("upgrade: TLS/1.0", "connection: Upgrade"),
]
METHODS = {"server": "GET", "management": "GET", "collector": "DELETE"}


@pytest.fixture
def connect(target: Target) -> Iterator[Connect]:
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(wire(target.port))


def ordinary(target: Target, *headers: str) -> bytes:
    return request("POST", target.path, target.body, *target.headers, *headers)


def works(client: Wire, target: Target) -> None:
    client.send(ordinary(target))
    answer = client.answer()
    assert (answer.status, answer.closes) == (target.status, False)


@pytest.mark.parametrize("headers", UPGRADES, ids=lambda headers: headers[0])
def test_an_upgrade_is_ignored(target: Target, connect: Connect, headers: tuple[str, ...]) -> None:
    whole = ordinary(target, *headers)
    pieces = [target.body[:3], target.body[3:]]
    at_once, later, in_chunks, pipelined = (connect() for _ in range(4))
    at_once.send(whole)
    later.send(whole[: -len(target.body)], *pieces)
    in_chunks.send(chunked("POST", target.path, pieces, *target.headers, *headers))
    for client in (at_once, later, in_chunks):
        answer = client.answer()
        assert (answer.status, answer.closes) == (target.status, False)
        works(client, target)
    pipelined.send(whole + ordinary(target) + whole)
    assert [pipelined.answer().status for _ in range(3)] == [target.status] * 3


def early(target: Target) -> list[tuple[str, str, tuple[str, ...], int]]:
    """Method, path, headers and status of answers that need no body."""
    cases = [
        ("POST", "/nothing/here", target.headers, 404),
        ("PUT", target.path, target.headers, 405),
        ("POST", target.path, target.headers, 413),
    ]
    if target.name == "collector":
        cases += [
            ("POST", target.path, ("content-type: application/json",), 401),
            ("POST", target.path, ("authorization: Bearer another",), 401),
            ("POST", target.path, (*target.headers, "content-encoding: gzip"), 415),
        ]
    return cases


@pytest.mark.parametrize("times", [1.2, 20])
def test_an_early_answer_reaches_whoever_sends_everything_first(target: Target, connect: Connect, times: float) -> None:
    size = int(LIMIT * times)
    for method, path, headers, status in early(target):
        for whole in (
            request(method, path, b" " * size, *headers),
            chunked(method, path, [b" " * 50_000] * (size // 50_000), *headers),
        ):
            client = connect()
            client.send(whole)
            answer = client.answer()
            assert answer.status == status
            if answer.closes:
                assert client.ended()
            else:
                works(client, target)


@pytest.mark.parametrize("length", [LIMIT + 1, 99_999_999_999, 10**25])
@pytest.mark.parametrize("expects", [(), ("expect: 100-continue",)], ids=["", "expect"])
def test_a_length_above_the_limit_is_413_at_once(
    target: Target, connect: Connect, length: int, expects: tuple[str, ...]
) -> None:
    client = connect()
    client.send(request("POST", target.path, b"", *target.headers, *expects, length=length))
    answer = client.answer()
    assert (answer.status, answer.closes) == (413, True)
    assert answer.document["error"]
    assert client.ended()


def test_early_answers_in_a_pipeline(target: Target, connect: Connect) -> None:
    client = connect()
    body = b"x" * 3000
    client.send(request("POST", "/nothing/here", body) + ordinary(target) + request("PUT", target.path, body))
    assert [client.answer().status for _ in range(3)] == [404, target.status, 405]
    works(client, target)


def test_what_stalls_is_408(target: Target, connect: Connect) -> None:
    whole = ordinary(target)
    in_chunks = head([f"POST {target.path} HTTP/1.1", *target.headers, "transfer-encoding: chunked"])
    starts = [whole[: -len(target.body)], whole[:-3], whole[:30], whole[:2], in_chunks, in_chunks + b"5\r\nab"]
    clients = [connect() for _ in starts]
    for client, start in zip(clients, starts, strict=True):
        client.send(start)
    for client in clients:
        answer = client.answer()
        assert (answer.status, answer.closes) == (408, True)
        assert answer.document["error"]
        assert client.ended()
    works(connect(), target)


@pytest.mark.parametrize(
    "framing",
    [["content-length: ten"], ["content-length: -1"], ["content-length: 1", "content-length: 2"],
     ["content-length: 3", "transfer-encoding: chunked"], ["transfer-encoding: chunked", "x y: z"]],
    ids=str,
)  # fmt: skip
def test_framing_that_is_wrong_is_400(target: Target, connect: Connect, framing: list[str]) -> None:
    client = connect()
    client.send(head([f"POST {target.path} HTTP/1.1", *target.headers, *framing]) + b"x" * 2_000_000)
    answer = client.answer()
    assert (answer.status, answer.closes) == (400, True)
    assert client.ended()


def test_a_head_without_end_is_431(target: Target, connect: Connect) -> None:
    client = connect()
    client.send(f"POST {target.path} HTTP/1.1\r\n".encode(), *[b"a: " + b"x" * 1000 + b"\r\n"] * 1000)
    answer = client.answer()
    assert (answer.status, answer.closes) == (431, True)
    assert client.ended()


def test_whoever_says_nothing_is_let_go(target: Target, connect: Connect) -> None:
    assert connect().ended()


def test_a_client_that_ends_its_side_is_answered(target: Target, connect: Connect) -> None:
    client = connect()
    client.send(ordinary(target))
    client.end_sending()
    assert client.answer().status == target.status
    assert client.ended()


def test_a_stalled_body_gives_its_share_of_the_memory_back(collector: Target) -> None:
    """Those that have room for nothing else get it back after their time, or when their client goes away."""
    whole = request("POST", collector.path, b" " * (LIMIT - 1), *collector.headers, length=LIMIT)
    with contextlib.ExitStack() as stack:
        stalled = [stack.enter_context(wire(collector.port)) for _ in range(MAX_CONCURRENT)]
        for client in stalled:
            client.send(whole)
        for client in stalled:
            assert client.answer().status == 408
        gone = [stack.enter_context(wire(collector.port)) for _ in range(MAX_CONCURRENT)]
        for client in gone:
            client.send(whole)
            client.close()
    # Lines that are no outcomes are told of one by one, which means that the whole body has been read.
    lines = b"{}\n" * (LIMIT // 300)
    status = 429
    while status == 429:
        with wire(collector.port) as client:
            client.send(request("POST", collector.path, lines, "content-type: application/jsonl", collector.headers[1]))
            status = client.answer().status
    assert status == 200
    with wire(collector.port) as client:
        works(client, collector)

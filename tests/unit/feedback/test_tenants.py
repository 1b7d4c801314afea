"""One tenant takes its share of the collector, and the others keep theirs."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.collecting import Client, Stand, eventually
from tests.support.collector_process import CollectorProcess, launched, reviewing
from viridian.feedback.access.authorization import Right
from viridian.feedback.endpoints.review_page import _SESSIONS, _SESSIONS_EACH

MIB = 1 << 20
OWNERS = {"greedy": "system:serviceaccount:greedy:server", "server": "system:serviceaccount:ml:server"}
KNOWN = ("ml/churn", "greedy/churn")
OUTCOME = {"prediction_id": "prediction-000001", "outcome": "leaves"}


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[CollectorProcess]:
    async with reviewing(OWNERS) as api, launched(api, tmp_path, "", KNOWN, read="3s") as collector:
        yield collector


class Stalled:
    """A body that lacks its last byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def begun(cls, port: int, size: int = 32 * MIB) -> Stalled:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            "POST /v1/outcomes HTTP/1.1\r\nhost: a\r\nauthorization: Bearer greedy\r\n"
            f"content-type: application/json\r\ncontent-length: {size}\r\n\r\n"
        )
        writer.write(head.encode() + b" " * (size - 1))
        return cls(reader, writer)

    async def sent(self) -> None:
        """The other side has taken all of it."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def status(self) -> int:
        found = re.match(rb"HTTP/1.1 (\d+)", await self._reader.readline())
        assert found
        self._writer.close()
        return int(found[1])


async def test_stalled_bodies_of_one_tenant_keep_nobody_else_out(process: CollectorProcess) -> None:
    stalled = [await Stalled.begun(process.port) for _ in range(2)]
    for one in stalled:
        await one.sent()
    async with httpx.AsyncClient(base_url=process.url, timeout=10) as http:
        theirs = await http.post("/v1/outcomes", json=OUTCOME, headers={"Authorization": "Bearer server"})
        assert theirs.json()["stored"] == 1
    assert [await one.status() for one in stalled] == [408, 408]
    async with httpx.AsyncClient(base_url=process.url, timeout=10) as http:
        again = await http.post("/v1/outcomes", json=OUTCOME, headers={"Authorization": "Bearer greedy"})
        assert again.json()["stored"] == 1, "and its room was given back"


async def test_a_tenant_that_begins_more_bodies_than_its_share_is_told_so_and_nobody_else(
    process: CollectorProcess,
) -> None:
    stalled = [await Stalled.begun(process.port) for _ in range(5)]
    async with httpx.AsyncClient(base_url=process.url, timeout=10) as http:
        theirs = await http.post("/v1/outcomes", json=OUTCOME, headers={"Authorization": "Bearer server"})
        assert theirs.json()["stored"] == 1
    assert {await one.status() for one in stalled} == {408, 429}


async def test_a_body_is_not_read_before_its_sender_is_known(stand: Stand) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("somebody reads")
        yield b""

    for path in ("predictions", "profiles", "outcomes", "reviews"):
        answer = await Client(stand.http, "nobody").send("POST", f"/v1/{path}", content=body())
        assert answer.status_code == 401


async def test_a_form_is_small(stand: Stand) -> None:
    answer = await stand.http.post("/review/login", data={"token": "x" * 100_000})
    assert answer.status_code == 413


async def test_logging_in_again_and_again_ends_nobody_elses_session(stand: Stand) -> None:
    stand.gate.allow("admin", *Right)

    async def log_in(token: str) -> Any:
        answer = await stand.http.post("/review/login", data={"token": token})
        assert answer.status_code == 303
        stand.http.cookies.clear()
        return answer.headers["set-cookie"].partition("=")[2].partition(";")[0]

    mine = await log_in("admin")
    theirs = [await log_in("stranger") for _ in range(_SESSIONS + _SESSIONS_EACH)]

    async def status(session: Any) -> int:
        return (await stand.http.get("/review", headers={"Cookie": f"viridian-review={session}"})).status_code

    assert await status(mine) == 200
    assert await status(theirs[-1]) == 200
    assert await status(theirs[-1 - _SESSIONS_EACH]) == 401


async def test_a_namespace_freezes_only_so_much_at_a_time(stand: Stand) -> None:
    async with stand.collector.snapshots._one_at_a_time:
        asked = [
            asyncio.create_task(stand.admin.send("PUT", f"/v1/snapshots/ml/churn/run-{number}")) for number in range(4)
        ]
        await eventually(lambda: stand.collector.snapshots._asked["ml"] == 4, "four wait")
        answer = await stand.admin.send("PUT", "/v1/snapshots/ml/churn/run-5")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {404}


async def test_one_address_does_not_take_all_connections(tmp_path: Path) -> None:
    async with reviewing(OWNERS) as api, launched(api, tmp_path, "", max_connections="40") as collector:
        with connections(collector.port, 10):
            async with httpx.AsyncClient(base_url=collector.url) as http:
                answer = await http.get("/healthz")
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
            async with httpx.AsyncClient(base_url=collector.url, transport=transport) as http:
                assert (await http.get("/healthz")).status_code == 200


@contextlib.contextmanager
def connections(port: int, number: int) -> Iterator[None]:
    """So many, each of which has had an answer."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            http = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}"))
            assert http.get("/healthz").status_code == 200
        yield

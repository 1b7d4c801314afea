"""No request fails because a connection ends: not on SIGTERM, and not when the operator moves traffic."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support import models
from tests.support.server_process import ServerProcess, proven, running

BODY = json.dumps({"inputs": [models.FLOWER]}).encode()
REQUEST = (
    b"POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    b"content-length: " + str(len(BODY)).encode() + b"\r\n\r\n" + BODY
)


class Client:
    """One kept-alive connection, seen byte by byte: no library hides what the server does to it."""

    def __init__(self, server: ServerProcess) -> None:
        self._port = server.port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.answers = 0
        self.opened = 0

    async def ask(self) -> bool:
        """One prediction; whether the server says that this was the connection's last. Any failure raises."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self.opened += 1
        self._writer.write(REQUEST)
        closing = await self.answer()
        if closing:
            await self.close()
        return closing

    async def answer(self) -> bool:
        """Reads one answer."""
        assert self._reader is not None
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200 ")
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        assert json.loads(await self._reader.readexactly(length)) == {"predictions": [0]}
        self.answers += 1
        return "connection: close" in head

    async def send(self, data: bytes) -> None:
        """Part of a request."""
        assert self._writer is not None
        self._writer.write(data)
        await self._writer.drain()

    async def ended(self) -> bool:
        """Waits until the server ends the connection; True when it did so without another byte."""
        assert self._reader is not None
        return await self._reader.read() == b""

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()
        self._reader = self._writer = None


Connect = Callable[[ServerProcess], Client]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes clients, and closes what they leave open."""
    made: list[Client] = []

    def new(server: ServerProcess) -> Client:
        made.append(Client(server))
        return made[-1]

    yield new
    for client in made:
        await client.close()


async def until(condition: Callable[[], bool]) -> None:
    """Lets others go on until the condition holds."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
        await asyncio.sleep(0.001)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    directory = models.write_onnx_mlflow(tmp_path / "model")
    async with running(directory, tmp_path, drain_seconds="1") as running_:
        yield running_


async def close_connections(server: ServerProcess, seconds: float, idle: str | None = None) -> None:
    order = {"forSeconds": seconds} if idle is None else {"forSeconds": seconds, "idle": idle}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{server.management}/connections/close", **proven("/connections/close", order)) as response,
    ):
        assert response.status == 204
        assert await response.read() == b""


async def ask_until(client: Client, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await client.ask()


async def test_nothing_fails_while_draining(server: ServerProcess, connect: Connect) -> None:
    """Kept-alive clients are sent away with an answer, and whoever comes back is answered as well."""
    clients = [connect(server) for _ in range(8)]
    leave = asyncio.Event()
    asking = [asyncio.create_task(ask_until(client, leave)) for client in clients]
    await until(lambda: min(client.answers for client in clients) >= 20)
    assert {client.opened for client in clients} == {1}, "all of them keep their connection until then"
    server.terminate()
    await until(lambda: min(client.opened for client in clients) >= 5)
    # The endpoint is gone everywhere by now: clients stop coming.
    leave.set()
    await asyncio.gather(*asking)
    assert await server.process.wait() == 0
    for client in clients:
        assert client.answers >= 20 + 4


async def test_an_idle_connection_ends_only_when_the_drain_is_over(server: ServerProcess, connect: Connect) -> None:
    idle, late = connect(server), connect(server)
    await idle.ask()
    await late.ask()
    server.terminate()
    await server.logged("drain")
    assert await late.ask(), "its answer says that it was the last one"
    assert await idle.ended()
    assert await server.process.wait() == 0


async def test_not_ready_while_draining_but_alive(server: ServerProcess) -> None:
    server.terminate()
    await server.logged("drain")
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{server.url}/v2/health/ready") as response:
            assert response.status == 503
            assert response.headers["connection"] == "close"
        async with http.get(f"{server.management}/healthz") as response:
            assert response.status == 200
        async with http.get(f"{server.management}/metrics") as response:
            assert response.status == 200


async def test_what_has_begun_is_finished(tmp_path: Path) -> None:
    """A prediction that takes longer than the drain still gets its answer."""
    directory = models.write_picky(tmp_path / "model", work=8)
    async with running(directory, tmp_path, drain_seconds="0") as server, aiohttp.ClientSession() as http:

        async def ask() -> object:
            async with http.post(f"{server.url}/invocations", json={"inputs": [[0]]}) as response:
                return await response.json()

        asking = [asyncio.create_task(ask()) for _ in range(3)]
        text = ""
        while not in_flight(text, 3):
            async with http.get(f"{server.management}/metrics") as response:
                text = await response.text()
        server.terminate()
        assert await asyncio.gather(*asking) == [{"predictions": [0.0]}] * 3
        assert await server.process.wait() == 0


def in_flight(text: str, count: int) -> bool:
    return any(
        line.startswith("viridian_requests_in_flight{") and line.endswith(f" {float(count)}")
        for line in text.splitlines()
    )


async def test_a_request_of_which_only_a_part_has_arrived_is_finished(server: ServerProcess, connect: Connect) -> None:
    client = connect(server)
    await client.ask()
    await client.send(REQUEST[:40])
    server.terminate()
    await server.logged("drain")
    # Only when the listener is closed is the rest of the request sent. What came in the same moment is reset.
    with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.close()
            await writer.wait_closed()
    await client.send(REQUEST[40:])
    assert await client.answer(), "and the answer says that it was the last one"
    assert await server.process.wait() == 0


async def test_keep_ends_connections_with_their_next_answer(server: ServerProcess, connect: Connect) -> None:
    client = connect(server)
    assert not await client.ask()
    await close_connections(server, 60)
    assert await client.ask()
    assert await client.ask(), "a new connection during that time is closed, too"
    assert client.opened == 2


async def test_close_ends_idle_connections_at_once(server: ServerProcess, connect: Connect) -> None:
    clients = [connect(server) for _ in range(5)]
    for client in clients:
        await client.ask()
    await close_connections(server, 60, "Close")
    assert await asyncio.gather(*(client.ended() for client in clients)) == [True] * 5


async def test_close_spares_a_request_that_is_arriving(server: ServerProcess, connect: Connect) -> None:
    client = connect(server)
    await client.ask()
    await client.send(REQUEST[:60])
    await close_connections(server, 60, "Close")
    await client.send(REQUEST[60:])
    assert await client.answer()


async def test_connections_are_kept_again_afterwards(server: ServerProcess, connect: Connect) -> None:
    await close_connections(server, 0.05)
    client = connect(server)
    while await client.ask():
        pass
    assert not await client.ask()


async def test_a_second_order_does_not_shorten_the_first(server: ServerProcess, connect: Connect) -> None:
    await close_connections(server, 60)
    await close_connections(server, 0.001)
    client = connect(server)
    assert await client.ask()
    assert await client.ask()


@pytest.mark.parametrize(
    "order",
    ["", "{}", '{"forSeconds": 0}', '{"forSeconds": 1e9}', '{"forSeconds": "10"}', '{"forSeconds": 1, "idle": "Kill"}',
     '{"forSeconds": 1, "other": 2}', "x" * 4096, "[" * 4096, '{"forSeconds":' * 290],
)  # fmt: skip
async def test_an_order_that_makes_no_sense_is_400(server: ServerProcess, order: str) -> None:
    async with aiohttp.ClientSession() as http:
        body = proven("/connections/close", order.encode())
        async with http.post(f"{server.management}/connections/close", **body) as response:
            assert response.status == 400
            assert (await response.json())["error"]
        async with http.post(f"{server.management}/connections/close", data="x" * 5000) as response:
            assert response.status == 413
        async with http.get(f"{server.management}/connections/close") as response:
            assert response.status == 405
            assert response.headers["allow"] == "POST"
        async with http.get(f"{server.management}/nothing") as response:
            assert response.status == 404

"""The users of `benchmarks.rollback`, on real sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from benchmarks.rollback.traffic import CONNECTIONS, FOREVER, LOST, Target, Traffic

ANSWERS = 40


class Server:
    """Answers 200 and 500 in turns; every tenth request of a connection gets no answer, and the connection ends."""

    def __init__(self, *, closes: bool = False, strangers: int = 0) -> None:
        """`strangers` is how many connections somebody else answers first."""
        self.connections = 0
        self.strangers = strangers
        self.requests: list[bytes] = []
        self.enough = asyncio.Event()
        self.open: list[asyncio.Task[None]] = []
        self._close = b"Connection: close\r\n" if closes else b""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        current = asyncio.current_task()
        assert current is not None
        self.open.append(current)
        if self.connections <= self.strangers:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            for number in range(9):
                await self._read(reader)
                status = b"200 OK" if number % 2 == 0 else b"500 Internal Server Error"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nX-Viridian-Revision: r1\r\n")
                writer.write(self._close + b"\r\n{}")
            await self._read(reader)
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.requests.append(head + await reader.readexactly(length))
        if len(self.requests) >= ANSWERS * CONNECTIONS:
            self.enough.set()


async def asked(server: Server, requests_a_connection: int) -> Traffic:
    """Users who have asked as often as the tests need."""
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    users = Traffic(
        Target("127.0.0.1", listening.sockets[0].getsockname()[1], "a.example"), 1000, requests_a_connection
    )
    task = asyncio.create_task(users.run())
    await server.enough.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    listening.close()
    await asyncio.wait_for(asyncio.gather(*server.open), 5)
    return users


async def test_every_answer_counts_and_a_lost_one_names_whom_its_connection_led_to() -> None:
    server = Server()
    users = await asked(server, FOREVER)
    kinds = Counter((answer.revision, answer.good, answer.asked) for answer in users.answers)
    assert set(kinds) == {("r1", True, LOST), ("r1", False, LOST), (LOST, False, "r1")}
    assert kinds["r1", True, LOST] > kinds["r1", False, LOST] > kinds[LOST, False, "r1"] > 0


async def test_connections_are_kept_for_as_many_requests_as_asked_for() -> None:
    server = Server()
    users = await asked(server, 2)
    assert all(answer.revision == "r1" for answer in users.answers)
    assert len(users.answers) / 2 <= server.connections <= len(users.answers) / 2 + 2 * CONNECTIONS


async def test_a_connection_that_the_server_ends_is_not_asked_again() -> None:
    server = Server(closes=True)
    users = await asked(server, FOREVER)
    assert all(answer.revision == "r1" for answer in users.answers)
    assert server.connections >= len(users.answers)


async def test_requests_name_the_host_of_a_gateway_and_differ() -> None:
    server = Server()
    await asked(server, FOREVER)
    assert all(request.startswith(b"POST /invocations HTTP/1.1\r\nHost: a.example\r\n") for request in server.requests)
    assert len(set(server.requests)) == len(server.requests)


async def test_no_load_begins_before_the_service_answers() -> None:
    server = Server(strangers=3)
    users = await asked(server, FOREVER)
    assert {answer.revision for answer in users.answers} <= {"r1", LOST}
    assert users.answers[0].good
    assert all(answer.asked == "r1" for answer in users.answers if answer.revision == LOST)

"""A client that wants to harm a server: what it sends, and which answers end the attempt.

`attack` sends one mode's bytes to a port until the server answers or ends the connection. The modes know HTTP and
nothing of the application behind it, so that they fit every port.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import select
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.support.costs import MIB

MOST_SENT = 64 * MIB
"""An attempt that was not stopped by then has had its chance."""
CHUNK = b"a" * 65536
ENDED = 0
"""In the place of a status: the server ends the connection without an answer."""


@dataclass(frozen=True)
class Start:
    """The beginning of each request: what the attacked port takes for an ordinary one."""

    path: str = "/"
    headers: tuple[str, ...] = ()
    body: bytes = b"{}"
    """Of an ordinary request."""

    def head(self, *more: str) -> bytes:
        """Without the empty line at its end."""
        lines = (f"POST {self.path} HTTP/1.1", "host: a", *self.headers, *more)
        return "".join(f"{line}\r\n" for line in lines).encode()

    def whole(self, body: bytes, *more: str) -> bytes:
        """A request with this body."""
        return self.head(f"content-length: {len(body)}", *more) + b"\r\n" + body


@dataclass(frozen=True)
class Mode:
    """One way to harm."""

    pieces: Callable[[Start], Iterable[bytes]]
    """What is sent, one after the other."""
    statuses: frozenset[int]
    """With which of them a server may stop it."""
    pause: float = 0.0
    """Seconds between two pieces."""
    ends: bool = False
    """The client ends its side after the last piece."""
    patient: bool = False
    """It goes on sending after the first answer."""


def _many_headers() -> Iterator[bytes]:
    return (b"".join(b"x-%d-%d: %b\r\n" % (turn, n, CHUNK[:1000]) for n in range(60)) for turn in itertools.count())


def _chunked(start: Start) -> bytes:
    return start.head("transfer-encoding: chunked") + b"\r\n"


def _mode(*statuses: int, **more: float) -> Callable[[Callable[[Start], Iterable[bytes]]], Mode]:
    return lambda pieces: Mode(pieces, frozenset(statuses), **more)  # type: ignore[arg-type]


_ENDLESS = itertools.repeat(CHUNK)
_chain = itertools.chain


@functools.cache
def _bomb(wbits: int) -> bytes:
    """64 MiB in 64 KiB, made when the first one is sent: gzip by 31, deflate by 15."""
    return zlib.compress(b"a" * (64 * MIB), level=9, wbits=wbits)


MODES: dict[str, Mode] = {
    # ---- heads ----
    "endless headers": _mode(431)(lambda start: _chain([start.head()], _many_headers())),
    "headers of 1 MiB": _mode(431)(
        lambda start: [start.head(), b"".join(b"x-%d: %b\r\n" % (n, CHUNK[:1000]) for n in range(1040)), b"\r\n"]
    ),
    "very many small headers": _mode(431)(lambda start: [start.head(), b"x:\r\n" * 100_000, b"\r\n"]),
    "one header of 1 MiB": _mode(431)(lambda start: [start.head(), b"x: ", CHUNK * 16, b"\r\n\r\n"]),
    "an endless header": _mode(431)(lambda start: _chain([start.head(), b"x: "], _ENDLESS)),
    "an endless header name": _mode(431)(lambda start: _chain([start.head()], _ENDLESS)),
    "an endless path": _mode(431)(lambda start: _chain([f"POST {start.path}?".encode()], _ENDLESS)),
    "an endless method": _mode(400, 431)(lambda _: _ENDLESS),
    "endless empty lines": _mode(400, 408, 431, ENDED)(lambda _: itertools.repeat(b"\r\n" * 32768)),
    "a head that stalls": _mode(408)(lambda start: [start.head()]),
    "a head of a byte now and then": _mode(408, pause=0.1)(
        lambda start: _chain([start.head(), b"x: "], itertools.repeat(b"x"))
    ),
    # ---- the framing of bodies ----
    "endless trailers": _mode(431)(lambda start: _chain([_chunked(start), b"1\r\n{\r\n0\r\n"], _many_headers())),
    "trailers of 1 MiB": _mode(431)(
        lambda start: [
            _chunked(start) + b"2\r\n{}\r\n0\r\n",
            b"".join(b"x-%d: %b\r\n" % (n, CHUNK[:1000]) for n in range(1040)),
            b"\r\n",
        ]
    ),
    "an endless trailer": _mode(431)(lambda start: _chain([_chunked(start), b"1\r\n{\r\n0\r\nx: "], _ENDLESS)),
    "an endless chunk extension": _mode(400, 431)(lambda start: _chain([_chunked(start), b"1;"], _ENDLESS)),
    "endless chunk extensions": _mode(413, 431)(
        lambda start: _chain([_chunked(start)], itertools.repeat((b"1;" + CHUNK[:16000] + b"\r\n{\r\n") * 4))
    ),
    "an endless chunk length": _mode(400, 431)(lambda start: _chain([_chunked(start)], itertools.repeat(b"0" * 65536))),
    "a chunk length that overflows": _mode(400, 413)(lambda start: [_chunked(start), b"f" * 17, b"\r\n"]),
    "two lengths": _mode(400)(lambda start: [start.head("content-length: 2", "content-length: 3"), b"\r\n{} "]),
    "a length and chunks": _mode(400)(
        lambda start: [start.head("content-length: 2", "transfer-encoding: chunked"), b"\r\n2\r\n{}\r\n0\r\n\r\n"]
    ),
    "a negative length": _mode(400)(lambda start: [start.head("content-length: -1"), b"\r\n"]),
    "a length beyond all numbers": _mode(400, 413)(lambda start: [start.head(f"content-length: {10**30}"), b"\r\n"]),
    "a length that nobody sends": _mode(413)(lambda start: [start.head(f"content-length: {2**40}"), b"\r\n"]),
    "a body shorter than its length": Mode(
        lambda start: [start.head("content-length: 1000"), b"\r\n{}"], frozenset({ENDED, 400, 408}), ends=True
    ),
    # ---- bodies ----
    "an endless body": _mode(413)(
        lambda start: _chain([_chunked(start)], itertools.repeat(b"10000\r\n" + CHUNK + b"\r\n"))
    ),
    "an endless body in chunks of a byte": _mode(413)(
        lambda start: _chain([_chunked(start)], itertools.repeat(b"1\r\na\r\n" * 10_000))
    ),
    "a body that stalls": _mode(408)(lambda start: [start.head("content-length: 1000"), b"\r\n{"]),
    "a body of a byte now and then": _mode(408, pause=0.1)(
        lambda start: _chain([start.head("content-length: 1000"), b"\r\n"], itertools.repeat(b" "))
    ),
    "a bomb of gzip": _mode(400, 413, 415)(
        lambda start: [start.whole(_bomb(31), "content-encoding: gzip", "connection: close")]
    ),
    "a bomb of deflate": _mode(400, 413, 415)(
        lambda start: [start.whole(_bomb(15), "content-encoding: deflate", "connection: close")]
    ),
    # ---- connections ----
    "nothing at all": _mode(ENDED)(lambda _: []),
    "a pipeline without end": Mode(
        lambda start: itertools.repeat(start.whole(start.body) * 1000), frozenset({429}), patient=True
    ),
}
"""By name. Each is stopped by the server; none costs it more than a little memory."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended."""

    statuses: tuple[int, ...]
    """Of all answers; `ENDED` when there was none."""
    sent: int


def attack(port: int, mode: Mode, start: Start, seconds: float = 120.0) -> Outcome:
    """Sends until the server has answered and ended the connection; TimeoutError when it does not."""
    pieces, sent, heard = iter(mode.pieces(start)), 0, bytearray()
    left: memoryview | None = memoryview(b"")
    deadline, due = time.monotonic() + seconds, 0.0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setblocking(False)
        while True:
            now = time.monotonic()
            if now > deadline:
                raise TimeoutError(f"after {seconds:g} s and {sent} bytes the server has said {bytes(heard[:200])!r}")
            sending = left is not None and now >= due and (mode.patient or not heard)
            readable, writable, _ = select.select([connection], [connection] if sending else [], [], 0.05)
            try:
                if readable:
                    more = connection.recv(65536)
                    if not more:
                        break
                    heard += more
                elif writable and left is not None:
                    if not left:
                        left = _next(pieces, sent, connection, mode)
                    if left:
                        count = connection.send(left)
                        sent, left = sent + count, left[count:]
                        due = now + mode.pause
            except BlockingIOError:
                continue
            except ConnectionError:
                break
    return Outcome(tuple(int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)) or (ENDED,), sent)


def _next(pieces: Iterator[bytes], sent: int, connection: socket.socket, mode: Mode) -> memoryview | None:
    """The next piece; None when there is none, or enough was sent."""
    piece = next(pieces, None) if sent < MOST_SENT else None
    if piece is not None:
        return memoryview(piece)
    if mode.ends:
        connection.shutdown(socket.SHUT_WR)
    return None


@contextlib.contextmanager
def flood_of_connections(port: int, number: int) -> Iterator[list[socket.socket]]:
    """So many connections, each with the beginning of a head, open until the block ends."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(number):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"POST / HTTP/1.1\r\nhost: a\r\n")
            sockets.append(connection)
        yield sockets


@contextlib.contextmanager
def longest_answer(healthy: Callable[[], bool]) -> Iterator[list[float]]:
    """How long the attacked process took to answer somebody else, who asks again and again, in seconds."""
    took, done = [0.0], threading.Event()

    def ask() -> None:
        while not done.wait(0.02):
            began = time.monotonic()
            assert healthy()
            took.append(time.monotonic() - began)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    try:
        yield took
    finally:
        done.set()
        asking.join()

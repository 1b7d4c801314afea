"""A client that is nothing but a socket: it sees every byte, and a reset as what it is."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

SECONDS = 30.0
"""For a test that would wait for ever."""


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """It is the connection's last."""
        return self.headers.get("connection") == "close"

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A connection. Whatever the other side does that a client would see as an error raises."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._reader = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        """Each part in a packet of its own, as far as that can be had."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            self.socket.sendall(part)

    def answer(self, method: str = "POST") -> Answer:
        """The next one."""
        line = self._reader.readline()
        assert line.startswith(b"HTTP/1.1 "), f"not an answer: {line!r}"
        headers: dict[str, str] = {}
        while (field := self._reader.readline().strip()) != b"":
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
        body = self._reader.read(length)
        assert len(body) == length, "the answer ends too early"
        return Answer(int(line.split()[1]), headers, body)

    def ended(self) -> bool:
        """Waits until the other side ends the connection; True when it did so without another byte."""
        return self._reader.read() == b""

    def end_sending(self) -> None:
        """Nothing more comes from us."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._reader.close()
        self.socket.close()


@contextlib.contextmanager
def wire(port: int) -> Iterator[Wire]:
    """A connection, closed at the end."""
    connection = Wire(port)
    try:
        yield connection
    finally:
        connection.close()


def request(method: str, path: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """As most clients write it; `length` is announced in the place of that of the body."""
    fields = [f"{method} {path} HTTP/1.1", "host: a", *headers]
    if body or length is not None:
        fields.append(f"content-length: {len(body) if length is None else length}")
    return head(fields) + body


def chunked(method: str, path: str, pieces: Iterable[bytes], *headers: str) -> bytes:
    """The same in chunks."""
    fields = [f"{method} {path} HTTP/1.1", "host: a", *headers, "transfer-encoding: chunked"]
    return head(fields) + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def head(fields: Iterable[str]) -> bytes:
    return "".join(f"{field}\r\n" for field in (*fields, "")).encode()

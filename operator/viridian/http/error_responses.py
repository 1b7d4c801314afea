"""Answers that need no application: the request did not arrive as one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from http import HTTPStatus


class Refused(Exception):
    """The request on this connection is answered with this and nothing else."""

    def __init__(self, status: int, sentence: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers

    def render(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The whole answer; it is the connection's last."""
        body = json.dumps({"error": self.sentence}).encode()
        lines = [
            *headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *self.headers,
        ]
        status = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n".encode()
        return b"".join((status, *(b"%b: %b\r\n" % header for header in lines), b"\r\n", body))


def malformed() -> Refused:
    """400: these bytes are no request."""
    return Refused(400, "this is not an HTTP/1.1 request: its first line, a header or the framing of its body is wrong")


def no_tunnel() -> Refused:
    """405 for CONNECT, which asks for a proxy."""
    return Refused(405, "CONNECT is not allowed here", [(b"allow", b"GET, HEAD, POST")])


def too_slow(seconds: float) -> Refused:
    """408 for a head that has not arrived in time."""
    return Refused(408, f"the request did not arrive within {seconds:g} s")


def body_too_large() -> Refused:
    """413 for a length that no number of ours holds, and for chunks that are all framing."""
    return Refused(413, "the body is too large")


def head_too_large(limit: int) -> Refused:
    """431: request line and headers together."""
    return Refused(431, f"the request line and the headers have {limit} bytes at most")


def too_many_headers(limit: int) -> Refused:
    """431 as well: each costs more than its bytes."""
    return Refused(431, f"a request has {limit} headers at most")


def trailers_too_large(limit: int) -> Refused:
    """431: what stands between and behind the chunks of a body."""
    return Refused(431, f"the framing of a chunk and the trailers have {limit} bytes at most")


def too_many_requests(limit: int) -> Refused:
    """429 in the place of one more request on a connection."""
    return Refused(429, f"{limit} requests wait on this connection already", [(b"retry-after", b"1")])


def too_many_connections(limit: int) -> Refused:
    """503 on a connection above the limit."""
    return Refused(503, f"{limit} connections are open already; try again later", [(b"retry-after", b"1")])

"""Every client that is tried, what it does, and what it is answered: for the tests, and for the table in the docs.

python -m tests.support.clients.suite       installs what the clients need; `make test` does so before the tests
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.environments import environment
from localcluster.paths import cache_root
from tests.support import models
from tests.support.clients.targets import LIMIT, TOKEN, Target
from tests.support.debian import CURL, JAVAC
from tests.support.wire import chunked, head, request, wire

SOURCES: Final = Path(__file__).parent / "programs"
SECONDS: Final = 120
LARGE: Final = b" " * (12 * LIMIT)

ONE: Final = "a body"
CHUNKS: Final = "a body in chunks"
TWICE: Final = "two requests on one connection"
TOO_LARGE: Final = "a body of twelve times the limit, all sent before the answer is read"
TOO_LARGE_CHUNKS: Final = "the same in chunks"
EXPECTS: Final = "the same after Expect: 100-continue"
ELSEWHERE: Final = "a large body to a path that is not there, then a request on the same client"

RIGHT: Final = {
    ONE: "200",
    CHUNKS: "200",
    TWICE: "200, 200",
    TOO_LARGE: "413",
    TOO_LARGE_CHUNKS: "413",
    EXPECTS: "413",
    ELSEWHERE: "404, 200",
}
"""What each client that speaks HTTP alone is answered, by both."""
LABELS: Final = "labels [0, 2]"
RIGHT_INFERENCE: Final = {
    "live, ready, model ready": "True, True, True",
    "metadata": "answered",
    "infer, JSON both ways": LABELS,
    "infer, bytes both ways": LABELS,
    "infer, JSON": LABELS,
    "infer, bytes": LABELS,
    "infer, one tensor of bytes a column": LABELS,
    "infer, asynchronous": LABELS,
    "infer with gzip": "InferenceServerException: [415] compressed bodies are not understood",
    "infer of a model that is not there": "InferenceServerException: [404] there is no such model or version here; "
    "this server has 'the flowers'",
}
"""What clients of the Open Inference Protocol make of the server."""
NONE: Final = "–"
SOCKET: Final = "a socket"
RIGHT_SOCKET: Final = {
    "a body that never begins": "408",
    "a body that stops half-way": "408",
    "a chunk that stops half-way": "408",
    "a head that stops half-way": "408",
    "a head without end": "431",
    "Content-Length: 99999999999, and no body": "413",
    "the same after Expect: 100-continue": "413",
    "two different lengths": "400",
    "Upgrade: websocket, with a body": "200",
    "Upgrade: TLS/1.0, with a body in chunks": "200",
    "ends its side after the request": "200",
}
"""What slow and odd clients are answered, by both."""
_UPGRADING: Final = ("curl --http2", "Java HttpClient, as it comes")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    client: str
    does: str
    server: str
    collector: str = NONE

    @property
    def protocol(self) -> str:
        """What it speaks."""
        if self.collector == NONE:
            return "Open Inference Protocol v2"
        return "HTTP/1.1, asks for h2c" if self.client in _UPGRADING else "HTTP/1.1"

    @property
    def right(self) -> bool:
        """As it should be."""
        if self.collector == NONE:
            return self.server == RIGHT_INFERENCE.get(self.does)
        if self.client == SOCKET:
            return self.server == self.collector == RIGHT_SOCKET.get(self.does)
        return self.server == self.collector == RIGHT.get(self.does)


def run(server: Target, collector: Target) -> list[Row]:
    """All of them, one after another."""
    return [row for program in PROGRAMS for row in program(server, collector)]


def python(server: Target, collector: Target) -> list[Row]:
    """In an environment of their own: what they need is not what Viridian needs."""
    given = {
        "server": server.port,
        "collector": collector.port,
        "token": TOKEN,
        "limit": LIMIT,
        "body": server.body.decode(),
        "outcome": collector.body.decode(),
        "model": "the flowers",
        "columns": models.IRIS,
        "rows": [models.FLOWER, [6.3, 3.3, 6.0, 2.5]],
    }
    program = str(SOURCES / "python_clients.py")
    return _rows([str(environment("clients") / "python"), program, json.dumps(given)])


def java(server: Target, collector: Target) -> list[Row]:
    """Java compiles the program each time, which is quicker than its start."""
    runtime = str(JAVAC.find().with_name("java"))
    program = str(SOURCES / "Clients.java")
    return _rows([runtime, "-XX:TieredStopAtLevel=1", program, *_arguments(server, collector)])


def go(server: Target, collector: Target) -> list[Row]:
    """As a program of its own."""
    return _rows([str(go_program()), *_arguments(server, collector)])


def go_program() -> Path:
    """Compiled once, with the flags of the local cluster's build, whose cache has the standard library."""
    source = SOURCES / "clients.go"
    program = cache_root() / "clients" / f"go-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        flags = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
        unfinished = program.with_name(f"{program.name}.{os.getpid()}")
        subprocess.run(["go", "build", "-trimpath", "-o", str(unfinished), str(source)], env=flags, check=True)
        unfinished.rename(program)
    return program


def curl(server: Target, collector: Target) -> list[Row]:
    """With the upgrade to HTTP/2 that `--http2` asks for, and without."""
    return [
        Row(client, does, *(_curled([flag, *more], target, paths, large) for target in (server, collector)))
        for client, flag in (("curl --http2", "--http2"), ("curl", "--http1.1"))
        for does, (more, paths, large) in _CURL.items()
    ]


_IN_CHUNKS: Final = ("--header", "transfer-encoding: chunked")
_AT_ONCE: Final = ("--header", "expect:")
_CURL: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...], bool]]] = {
    ONE: ((), ("",), False),
    CHUNKS: (_IN_CHUNKS, ("",), False),
    TWICE: ((), ("", ""), False),
    TOO_LARGE: (_AT_ONCE, ("",), True),
    TOO_LARGE_CHUNKS: ((*_AT_ONCE, *_IN_CHUNKS), ("",), True),
    EXPECTS: (("--header", "expect: 100-continue", "--expect100-timeout", "10"), ("",), True),
}
"""Flags, what is added to the path of each request, and whether the body is too large."""


def _curled(flags: list[str], target: Target, paths: tuple[str, ...], large: bool) -> str:
    command = [
        str(CURL.find()),
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        "--write-out",
        "%{http_code}\\n",
        *flags,
    ]
    for header in target.headers:
        command += ["--header", header]
    command += ["--data-binary", "@-" if large else target.body.decode()]
    for path in paths:
        command += ["--output", "/dev/null", target.url + path]
    done = subprocess.run(command, input=LARGE if large else b"", capture_output=True, timeout=SECONDS, check=False)
    return ", ".join(done.stdout.decode().split()) if done.returncode == 0 else done.stderr.decode().strip()


def sockets(server: Target, collector: Target) -> list[Row]:
    """Clients that are slow or odd; each waits for its answer while the others wait for theirs."""
    answers = {target.name: _sockets(target) for target in (server, collector)}
    return [Row(SOCKET, does, answers["server"][does], answers["collector"][does]) for does in answers["server"]]


def _sockets(target: Target) -> dict[str, str]:
    post, body = ("POST", target.path), target.body
    whole = request(*post, body, *target.headers)
    in_chunks = head([f"POST {target.path} HTTP/1.1", *target.headers, "transfer-encoding: chunked"])
    expects = (*target.headers, "expect: 100-continue")
    websocket = (*target.headers, "connection: upgrade", "upgrade: websocket")
    tls = (*target.headers, "connection: upgrade", "upgrade: TLS/1.0")
    sent = {
        "a body that never begins": whole[: -len(body)],
        "a body that stops half-way": whole[:-3],
        "a chunk that stops half-way": in_chunks + b"5\r\nab",
        "a head that stops half-way": whole[:30],
        "a head without end": whole[: whole.index(b"\r\n")] + b"\r\na: b" * 20_000,
        "Content-Length: 99999999999, and no body": request(*post, b"", *target.headers, length=99_999_999_999),
        "the same after Expect: 100-continue": request(*post, b"", *expects, length=99_999_999_999),
        "two different lengths": request(*post, body, *target.headers, "content-length: 1"),
        "Upgrade: websocket, with a body": request(*post, body, *websocket),
        "Upgrade: TLS/1.0, with a body in chunks": chunked(*post, [body[:5], body[5:]], *tls),
        "ends its side after the request": whole,
    }
    with contextlib.ExitStack() as stack:
        clients = {does: stack.enter_context(wire(target.port)) for does in sent}
        for does, client in clients.items():
            client.send(sent[does])
        clients["ends its side after the request"].end_sending()
        return {does: str(client.answer().status) for does, client in clients.items()}


PROGRAMS: Final = (curl, java, go, python, sockets)


def _arguments(server: Target, collector: Target) -> list[str]:
    sides = [text for target in (server, collector) for text in (target.url, target.body.decode())]
    return [*sides, TOKEN, str(LIMIT)]


def _rows(command: list[str]) -> list[Row]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return [Row(**json.loads(line)) for line in done.stdout.splitlines()]


def table(rows: Iterable[Row]) -> str:
    """In Markdown."""
    lines = [f"| {row.client} | {row.protocol} | {row.does} | {row.server} | {row.collector} |" for row in rows]
    return "\n".join(["| client | protocol | what it does | server | collector |", "|---|---|---|---|---|", *lines])


if __name__ == "__main__":
    environment("clients")
    go_program()

"""A pod that wants to harm whoever asks it: raw answers from a process of its own.

python -m tests.support.hostile_pod MODE      prints its port, answers until it is ended
"""

from __future__ import annotations

import gzip
import itertools
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = b"a" * 65536
COUNTED = 'viridian_requests_total{{code="5xx",slot="green",revision="9a1b02ee"{more}}} {count}\n'


@contextmanager
def hostile_pod(mode: str) -> Iterator[int]:
    """The port on which a pod of this kind answers."""
    command = [sys.executable, "-m", "tests.support.hostile_pod", mode]
    root = Path(__file__).resolve().parent.parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _head(**headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode()


def _whole(text: str) -> Iterable[bytes]:
    body = text.encode()
    return _head(Content_Length=str(len(body))), body


def _headers() -> Iterator[bytes]:
    return (b"".join(b"x-%d-%d: %s\r\n" % (turn, n, CHUNK[:1000]) for n in range(60)) for turn in itertools.count())


def _bomb() -> Iterable[bytes]:
    body = gzip.compress(b"# " + b"a" * (100 * 1024 * 1024), compresslevel=1)
    return _head(Content_Encoding="gzip", Content_Length=str(len(body))), body


def _labels(number: int) -> str:
    more = "".join(f',l{place}="x"' for place in range(number))
    return COUNTED.format(more=more, count=1)


def _buckets(number: int) -> str:
    lines = "".join(f'viridian_request_duration_seconds_bucket{{le="{place}"}} 1\n' for place in range(number))
    return COUNTED.format(more="", count=1) + lines


def _bucket(bound: str) -> str:
    return COUNTED.format(more="", count=1) + f'viridian_request_duration_seconds_bucket{{le="{bound}"}} 1\n'


def _deflated() -> Iterable[bytes]:
    """A small JSON document that becomes a large one."""
    body = gzip.compress(b'{"x": "' + b"a" * (100 * 1024 * 1024) + b'"}', compresslevel=1)
    return _head(Content_Encoding="gzip", Content_Length=str(len(body))), body


def _many(beginning: str, item: str, end: str, size: int) -> str:
    return beginning + ",".join(itertools.repeat(item, size // (len(item) + 1))) + end


_ENDLESS = itertools.repeat(CHUNK)
_CHUNKED = _head(Transfer_Encoding="chunked")
_RUN = '{"run": {"info": {"run_id": "r", "status": "RUNNING"%s}, "data": {"metrics": [%s]}}}'
Modes = dict[str, Callable[[], Iterable[bytes]]]
DOCUMENTS: Modes = {
    "a bomb of JSON": _deflated,
    "a deep document": lambda: _whole("[" * 3_000_000),
    "deep objects": lambda: _whole('{"run":' * 400_000),
    "very many unknown values": lambda: _whole(_many('{"x": [', "[]", "]}", 1_900_000)),
    "very many lists": lambda: _whole(_many("[", "[]", "]", 1_900_000)),
    "very many objects": lambda: _whole(_many("[", "{}", "]", 1_900_000)),
    "very many metrics": lambda: _whole(_RUN % ("", _many("", '{"key":"a","value":1}', "", 1_900_000))),
}
"""JSON that harms whoever decodes it."""

MODES: Modes = {
    "a flood": lambda: itertools.chain([_head()], _ENDLESS),
    "a bomb of gzip": _bomb,
    "endless headers": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], _headers()),
    "an endless header": lambda: itertools.chain([b"HTTP/1.1 200 OK\r\nx: "], _ENDLESS),
    "an endless status line": lambda: itertools.chain([b"HTTP/1.1 200 "], _ENDLESS),
    "early hints without end": lambda: itertools.repeat(b"HTTP/1.1 103 Early\r\nx: y\r\n\r\n" * 1000),
    "endless trailers": lambda: itertools.chain([_CHUNKED, b"1\r\na\r\n0\r\n"], _headers()),
    "an endless chunk extension": lambda: itertools.chain([_CHUNKED, b"1;"], _ENDLESS),
    "endless empty lines": lambda: itertools.chain([_head()], itertools.repeat(b"\n" * 65536)),
    "a body that never comes": lambda: [_head(Content_Length="10")],
    "a byte now and then": lambda: itertools.chain([_head(Content_Length="1000000")], itertools.repeat(b"#", 40)),
    "an answer that never comes": list,
    "a redirect": lambda: [b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n"],
    "a redirect by GET": lambda: [b"HTTP/1.1 303 Go\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n"],
    "sums beyond all numbers": lambda: _whole(
        COUNTED.format(more=',w="1"', count="1e308") + COUNTED.format(more=',w="2"', count="1e308")
    ),
    "a count beyond all counts": lambda: _whole(COUNTED.format(more="", count="1e300")),
    "an infinite count": lambda: _whole(COUNTED.format(more="", count="+Inf")),
    "a bucket without a bound": lambda: _whole(_bucket("NaN")),
    "buckets that fall": lambda: _whole(_bucket("0.1").replace("} 1\n", "} 5\n") + _bucket("0.2")),
    "a line of many labels": lambda: _whole(_labels(160_000)),
    "very many lines": lambda: _whole(COUNTED.format(more="", count=1) * 60_000),
    "very many buckets": lambda: _whole(_buckets(70_000)),
    "as many buckets as lines may be": lambda: _whole(_buckets(1_900)),
    "a line without an end": lambda: _whole("viridian_requests_total{" + "a" * 3_000_000),
}
"""What it answers, by name: pieces that are sent one after the other."""


def _answer(connection: socket.socket, pieces: Iterable[bytes], slowly: bool) -> None:
    pause = threading.Event()
    try:
        with connection:
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)
                if slowly:
                    pause.wait(0.1)
            while connection.recv(65536):
                pass
    except OSError:
        return


def main() -> None:
    mode = sys.argv[1]
    made = (MODES | DOCUMENTS)[mode]
    pieces = made()
    again: Callable[[], Iterable[bytes]] = made if isinstance(pieces, Iterator) else lambda: pieces
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            answer = (connection, again(), mode == "a byte now and then")
            threading.Thread(target=_answer, args=answer, daemon=True).start()


if __name__ == "__main__":
    main()

"""A collector that answers as it is told, and keeps what it got."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from tests.support.web_server import QuietHandler, web_server
from viridian.api.feedback import PredictionBatch, ProfileWindow


@dataclass
class ScriptedCollector:
    """First the script, then 200. Status 0 ends the connection without an answer. The body of a 200 is `stored`, as a
    collector says it, and of anything else a problem."""

    script: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    stored: list[bytes] = field(default_factory=list)
    """Bodies of the next answers of 200; then that all was stored."""
    most_bytes: int = 1 << 30
    """Larger bodies are answered with 413."""
    fail: str = ""
    """Whatever is sent to this path is answered with 500."""
    seen: list[tuple[str, bytes, str | None]] = field(default_factory=list)
    """Path, body and token of each request."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    url: str = ""

    def next(self, path: str, body: bytes) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        if path == self.fail:
            return 500, {}
        if len(body) > self.most_bytes:
            return 413, {}
        return self.script.pop(0) if self.script else (200, {})

    def said(self, status: int) -> bytes:
        """The body of an answer."""
        if status != 200:
            return b'{"error":"words of a collector"}'
        return self.stored.pop(0) if self.stored else b'{"stored":1}'

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until it holds of what was seen; not for ever."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout=60)

    @property
    def batches(self) -> list[PredictionBatch]:
        """With all rows in `rows`, in whichever form they came."""
        found = [msgspec.json.decode(body, type=PredictionBatch) for path, body, _ in self.seen if "predict" in path]
        return [
            msgspec.structs.replace(one, rows=[*one.rows, *(row for block in one.blocks for row in block.rows())])
            for one in found
        ]

    @property
    def windows(self) -> list[ProfileWindow]:
        return [msgspec.json.decode(body, type=ProfileWindow) for path, body, _ in self.seen if "profile" in path]


@contextlib.contextmanager
def scripted_collector() -> Iterator[ScriptedCollector]:
    """It listens on a free port of this computer until the end."""
    collector = ScriptedCollector()

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with collector.changed:
                status, headers = collector.next(self.path, body)
                said = collector.said(status)
                collector.seen.append((self.path, body, self.headers.get("authorization")))
                collector.changed.notify_all()
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

    with web_server(Handler) as collector.url:
        yield collector

"""A collector that answers as it is told, and keeps what it got."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from viridian.api.feedback import PredictionBatch, ProfileWindow


@dataclass
class ScriptedCollector:
    """First the script, then 200. Status 0 ends the connection without an answer."""

    script: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    seen: list[tuple[str, bytes, str | None]] = field(default_factory=list)
    """Path, body and token of each request."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until it holds of what was seen; not for ever."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout=60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def batches(self) -> list[PredictionBatch]:
        return [msgspec.json.decode(body, type=PredictionBatch) for path, body, _ in self.seen if "predict" in path]

    @property
    def windows(self) -> list[ProfileWindow]:
        return [msgspec.json.decode(body, type=ProfileWindow) for path, body, _ in self.seen if "profile" in path]


@contextlib.contextmanager
def scripted_collector() -> Iterator[ScriptedCollector]:
    """It listens on a free port of this computer until the end."""
    collector = ScriptedCollector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with collector.changed:
                status, headers = collector.script.pop(0) if collector.script else (200, {})
                collector.seen.append((self.path, body, self.headers.get("authorization")))
                collector.changed.notify_all()
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

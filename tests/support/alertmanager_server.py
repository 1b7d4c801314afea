"""A real Alertmanager on a free port of 127.0.0.1 that sends all alerts to a webhook at once, and what came there."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from localcluster.ports import free_port
from tests.support.debian import ALERTMANAGER
from tests.support.kube import eventually
from tests.support.prometheus_server import amtool

STOP_SECONDS = 20.0
_SETTINGS = """\
route: {{receiver: hook, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: hook
  webhook_configs: [{{url: "{hook}", send_resolved: true}}]
"""


@dataclass
class Notified:
    """What the webhook was sent."""

    alerts: list[dict[str, Any]] = field(default_factory=list)

    def labels(self, name: str, status: str, **more: str) -> dict[str, str] | None:
        """The labels of an alert of that name and status, with these labels; None where none came."""
        wanted = {"alertname": name, **more}.items()
        found = (one["labels"] for one in self.alerts if one["status"] == status and wanted <= one["labels"].items())
        return next(map(dict, found), None)


@contextlib.contextmanager
def alertmanager() -> Iterator[tuple[str, Notified]]:
    """Its address without a scheme, and what it sends."""
    notified = Notified()
    with tempfile.TemporaryDirectory(prefix="viridian-alertmanager-") as name, _webhook(notified) as hook:
        folder, address = Path(name), f"127.0.0.1:{free_port()}"
        settings = folder / "alertmanager.yml"
        settings.write_text(_SETTINGS.format(hook=hook))
        amtool("check-config", str(settings))
        command = [
            str(ALERTMANAGER.find()),
            f"--config.file={settings}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
        ]
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            eventually(lambda: _is_ready(address) or None, what="a ready Alertmanager", timeout=60.0)
            yield address, notified
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


@contextlib.contextmanager
def _webhook(notified: Notified) -> Iterator[str]:
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            notified.alerts.extend(json.loads(body)["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

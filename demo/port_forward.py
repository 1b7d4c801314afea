"""Services of the cluster at addresses of this computer."""

from __future__ import annotations

import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from demo.kubectl import Kubectl, wait_for
from localcluster.ports import free_port


@contextmanager
def port_forwarded(kubectl: Kubectl, service: str, port: int, path: str = "/health") -> Iterator[str]:
    """The address on this computer at which a Service of the cluster answers; kubectl gives up now and then."""
    local = free_port()
    command = kubectl.command("port-forward", f"service/{service}", f"{local}:{port}", "--address=127.0.0.1")
    url, over = f"http://localhost:{local}", threading.Event()

    def keep_on() -> None:
        while not over.is_set():
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                while process.poll() is None and not over.wait(0.2):
                    pass
                process.terminate()

    keeper = threading.Thread(target=keep_on, daemon=True)
    keeper.start()
    try:
        wait_for(lambda: _answers(f"{url}{path}"), f"an answer of {service} at {url}", timeout=60)
        yield url
    finally:
        over.set()
        keeper.join()


@contextmanager
def proxied(kubectl: Kubectl) -> Iterator[str]:
    """The API server on this computer: it passes each request on to whichever pod a Service chooses at that moment.

    A forwarded port stays with one pod, also when the Service has turned to another one.
    """
    port = free_port()
    command = kubectl.command("proxy", f"--port={port}", "--address=127.0.0.1")
    url = f"http://localhost:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: _answers(f"{url}/readyz"), f"an answer of the API server at {url}", timeout=60)
            yield url
        finally:
            process.terminate()


def address_of(proxy: str, namespace: str, service: str) -> str:
    """A Service with a port named `http`, by way of the API server."""
    return f"{proxy}/api/v1/namespaces/{namespace}/services/{service}:http/proxy"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - an address of this computer
            return bool(answer.status == 200)
    except OSError:
        return False

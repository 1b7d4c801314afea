"""Waiting for a condition: never a fixed pause, always a deadline, and an early end when a process has died."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localcluster.errors import LocalClusterError
from localcluster.processes import Process, require_alive, tail

INTERVAL_SECONDS = 0.05


def until(what: str, condition: Callable[[], bool], timeout: float, process: Process | None = None) -> None:
    """Return as soon as the condition holds; raise when time is up, or at once when the process behind it is dead."""
    deadline = time.monotonic() + timeout
    while not condition():
        if process is not None:
            require_alive(process)
        if time.monotonic() > deadline:
            log = f"; the end of {process.log}:\n{tail(process.log)}" if process else ""
            raise LocalClusterError(f"{what} did not happen within {timeout:.0f} s{log}")
        time.sleep(INTERVAL_SECONDS)


@dataclass(frozen=True)
class Identity:
    """What a client needs to speak TLS with our servers."""

    ca: Path
    certificate: Path
    key: Path


def request(url: str, identity: Identity, body: bytes | None = None, timeout: float = 10.0) -> bytes:
    """One HTTPS request with a client certificate, past any proxy that the environment names."""
    context = ssl.create_default_context(cafile=str(identity.ca))
    context.load_cert_chain(identity.certificate, identity.key)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(urllib.request.Request(url, data=body), timeout=timeout) as answer:  # noqa: S310
        content: bytes = answer.read()
        return content


def answers(url: str, identity: Identity) -> bool:
    """Whether the address answers with a success just now."""
    try:
        request(url, identity, timeout=2.0)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False
    return True

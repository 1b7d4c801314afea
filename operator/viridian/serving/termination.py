"""The sentence that Kubernetes shows as the reason why a container ended."""

from __future__ import annotations

from pathlib import Path

from viridian.api import rejections
from viridian.api.texts import one_line
from viridian.serving.errors import ServingError

DEVICES = Path("/dev")
LIMIT = 4096
"""Bytes that the kubelet keeps."""


def explain(path: Path, error: ServingError) -> None:
    """Reason and sentence stand in the termination log, where there is one."""
    if path.parent == DEVICES and not path.exists():
        # The kubelet makes this file. Outside of Kubernetes nobody wants a new one among the devices.
        return
    message = one_line(rejections.format_termination_message(error.reason, str(error)), LIMIT)
    try:
        with path.open("w", encoding="utf-8", errors="replace") as log:
            log.write(message.encode()[:LIMIT].decode(errors="ignore"))
    except OSError:
        # Outside Kubernetes there is none; the same sentence is in the process's own log.
        return

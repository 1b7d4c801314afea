"""What an Event looks like in events.k8s.io/v1."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from viridian.api.names import GROUP, short_hash
from viridian.api.texts import one_line
from viridian.ports.cluster import Object

EVENTS = "events.k8s.io/v1"
REPORTING_CONTROLLER = f"{GROUP}/operator"
MAX_NOTE_BYTES = 1024


def event_about(regarding: Mapping[str, Any], *, kind: str, reason: str, message: str, now: datetime) -> Object:
    """An Event as events.k8s.io/v1 wants it; the same news about the same object gets names that begin the same."""
    metadata = regarding["metadata"]
    digest = short_hash(str(metadata.get("uid", "")), reason, message)
    return {
        "apiVersion": EVENTS,
        "kind": "Event",
        "metadata": {
            "generateName": f"{metadata['name'][:40]}.{digest}-",
            "namespace": metadata.get("namespace") or "default",
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": kind,
        "reason": reason,
        "note": cut(one_line(message, MAX_NOTE_BYTES), MAX_NOTE_BYTES),
        "action": "Reconcile",
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            **{key: metadata[key] for key in ("namespace", "name", "uid", "resourceVersion") if key in metadata},
        },
        "reportingController": REPORTING_CONTROLLER,
        "reportingInstance": os.environ.get("HOSTNAME") or socket.gethostname(),
    }


def cut(text: str, size: int) -> str:
    """The text in at most so many bytes of UTF-8, with an ellipsis where something is missing."""
    encoded = text.encode()
    if len(encoded) <= size:
        return text
    return encoded[: size - len("…".encode())].decode(errors="ignore") + "…"

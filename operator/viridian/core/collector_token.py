"""The token by which a pod proves to the collector who it is, and the authority by which it knows the collector.

Mounted by Kubernetes, renewed by Kubernetes. The authority is there where its namespace has one.
"""

from __future__ import annotations

from typing import Any, Final

from viridian.api.feedback import CA_FILE, COLLECTOR_CA, TOKEN_AUDIENCE

_DIRECTORY: Final = "/var/run/secrets/viridian.dev/collector"
_NAME: Final = "collector-token"
_SECONDS: Final = 3600

TOKEN_FILE: Final = f"{_DIRECTORY}/token"


def mount() -> dict[str, Any]:
    """Of the container that speaks with the collector."""
    return {"name": _NAME, "mountPath": _DIRECTORY, "readOnly": True}


def volume() -> dict[str, Any]:
    """Of its pod."""
    token = {"audience": TOKEN_AUDIENCE, "expirationSeconds": _SECONDS, "path": "token"}
    authority = {"name": COLLECTOR_CA, "items": [{"key": CA_FILE, "path": CA_FILE}], "optional": True}
    sources = [{"serviceAccountToken": token}, {"configMap": authority}]
    return {"name": _NAME, "projected": {"sources": sources}}

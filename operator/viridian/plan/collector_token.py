"""The token by which a pod proves to the collector who it is: mounted by Kubernetes, renewed by Kubernetes."""

from __future__ import annotations

from typing import Any, Final

from viridian.api.feedback import TOKEN_AUDIENCE

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
    return {"name": _NAME, "projected": {"sources": [{"serviceAccountToken": token}]}}

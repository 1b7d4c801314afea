"""Logins from a person's computer by exec plugins and auth providers, through the official client.

Managed clusters hand out kubeconfigs that run a program for a token of a few minutes. The official client knows how to
run it and when the token has expired; it is an extra, which no image has.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


class ConnectionUnusable(Exception):
    """These settings cannot be used; the message says why and what to do."""


def plugin_login(path: Path, context: str, plugin: str) -> dict[str, Any]:
    """Where the API server is and how to log in there, as fields of an ApiConnection."""
    try:
        client = importlib.import_module("kubernetes.client")
        config = importlib.import_module("kubernetes.config")
    except ImportError as error:
        raise ConnectionUnusable(
            f"the chosen user in {path} logs in by `{plugin}`, which needs the official client: install "
            "`viridian[cli]`, or use a client certificate, a token or a tokenFile, or run in the cluster"
        ) from error
    settings = client.Configuration()
    try:
        config.load_kube_config(str(path), context, client_configuration=settings, persist_config=False)
    except Exception as error:  # The plugin is a program of the user's: it may fail in any way.
        raise ConnectionUnusable(f"the login by `{plugin}` in {path} has failed: {error}") from error

    def token() -> str | None:
        """Runs the plugin again where the token has expired."""
        header: str | None = settings.get_api_key_with_prefix("BearerToken", "authorization")
        return header.removeprefix("Bearer ") if header else None

    if token() is None and not settings.cert_file:
        raise ConnectionUnusable(
            f"the login by `{plugin}` in {path} gives no credentials; the log says what it printed"
        )
    return {
        "server": str(settings.host).rstrip("/"),
        "ca_path": _path(settings.ssl_ca_cert),
        "certificate_path": _path(settings.cert_file),
        "private_key_path": _path(settings.key_file),
        "token_source": token,
        "insecure": not settings.verify_ssl,
    }


def _path(file: str | None) -> Path | None:
    return Path(file) if file else None

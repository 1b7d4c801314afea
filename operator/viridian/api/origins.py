"""Origins of addresses: scheme, host and port. Credentials for one origin are never sent to another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme of HTTP, a host in lower case and a port."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Host and port as an address shows them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def origin_of(address: str) -> Origin | None:
    """The origin of an http or https address; None where it has none. A user and a password are no part of it."""
    try:
        parts = urlsplit(address)
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        return None
    return Origin(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme])


def artifact_origin(uri: str, tracking: Origin) -> Origin | None:
    """Which server `mlflow-artifacts:/…` or `mlflow-artifacts://HOST/…` is about; None where the host is unreadable.

    The scheme is that of the tracking server: MLflow's form names none.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if not parts.netloc:
        return tracking
    if "@" in parts.netloc:
        return None
    return origin_of(f"{tracking.scheme}://{parts.netloc}")

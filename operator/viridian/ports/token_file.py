"""A token in a file, for a peer that checks logins: the authority of the peer's certificate lies beside it."""

from __future__ import annotations

import ssl
from pathlib import Path

from viridian.api.feedback import CA_FILE
from viridian.tls import trusting


class TokenFile:
    """Read for every call, since somebody may renew it. None, or no such file: calls carry no token."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._trusted: tuple[int, ssl.SSLContext] | None = None

    def headers(self) -> dict[str, str]:
        """The login of a request; empty without a token. Raises OSError for a file that cannot be read."""
        if self._path is None or not self._path.is_file():
            return {}
        return {"Authorization": f"Bearer {self._path.read_text().strip()}"}

    def trusting(self, scheme: str) -> ssl.SSLContext | bool:
        """What aiohttp verifies the peer's certificate by. The authority is read again when it has changed."""
        if scheme != "https":
            return True
        file = self._path.with_name(CA_FILE) if self._path is not None else None
        stamp = file.stat().st_mtime_ns if file is not None and file.is_file() else 0
        if self._trusted is None or self._trusted[0] != stamp:
            self._trusted = stamp, trusting(file)
        return self._trusted[1]

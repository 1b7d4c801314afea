"""A bearer token that outlives changes of its file: Kubernetes replaces tokens of service accounts while pods run."""

from __future__ import annotations

import time
from collections.abc import Callable

from viridian.ports.connection import ApiConnection

TOKEN_SECONDS = 60.0


class Token:
    """A bearer token that is read again when its file has changed, and at least once a minute."""

    def __init__(self, connection: ApiConnection, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._value: str | None = None
        self._version: tuple[int, int] | None = None
        self._read_at: float | None = None

    def current(self) -> str | None:
        """Raises OSError when the file cannot be read."""
        stale = self._read_at is None or self._clock() - self._read_at >= TOKEN_SECONDS
        if stale or self._file_version() != self._version:
            self._read()
        return self._value

    def renew(self) -> bool:
        """Read again after a refusal; whether there is any use in asking again."""
        self._read()
        return self._connection.token_path is not None or self._connection.token_source is not None

    def _read(self) -> None:
        self._version = self._file_version()
        self._value = self._connection.read_token()
        self._read_at = self._clock()

    def _file_version(self) -> tuple[int, int] | None:
        path = self._connection.token_path
        if path is None:
            return None
        status = path.stat()
        return status.st_ino, status.st_mtime_ns

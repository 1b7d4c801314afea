"""One connection to the collector, and what its responses mean for the sender."""

from __future__ import annotations

import contextlib
import http.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from viridian.api.address import shown
from viridian.api.feedback import Stored
from viridian.api.origins import origin_of
from viridian.serving.errors import ServingError
from viridian.tls import trusting

MAX_PROBLEM: Final = 300
"""Characters of the collector's error message that are kept."""
_TIMEOUT: Final = 10.0
_MAX_RESPONSE_BYTES: Final = 4 * 1024 * 1024
_BROKEN: Final = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)


class CollectorAddress:
    """The address of the collector; ServingError says what is wrong with it."""

    def __init__(self, url: str, authority: Path | None = None) -> None:
        """`authority`: file with one more certificate authority, read for each connection, since it may be renewed."""
        origin = origin_of(url)
        if origin is None or shown(url) != url:
            raise ServingError(f"VIRIDIAN_COLLECTOR_URL is no address such as http://host:8090: {shown(url)}")
        parts = urlsplit(url)
        self.host, self.port = origin.host, parts.port
        self._tls, self._authority = parts.scheme == "https", authority
        self.path = parts.path.rstrip("/")

    def connect(self) -> http.client.HTTPConnection:
        """A new connection; opened when it is used first."""
        if self._tls:
            context = trusting(self._authority)
            return http.client.HTTPSConnection(self.host, self.port, timeout=_TIMEOUT, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=_TIMEOUT)


@dataclass(frozen=True, slots=True)
class CollectorResponse:
    """The parts of a response that the sender needs."""

    status: int
    retry_after: float | None
    """Seconds from Retry-After."""
    stored: Stored | None
    """None where nothing was stored, or where the response is not a collector's."""
    problem: str
    """The collector's error message, which never repeats what it received."""


class CollectorClient:
    """Keeps one connection open. For one thread."""

    def __init__(self, address: CollectorAddress, token: Path | None) -> None:
        self._address = address
        self._token = token
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes) -> CollectorResponse:
        """One request. A kept-alive connection that has ended meanwhile is replaced by a new one."""
        reused = self._connection is not None
        try:
            return self._request(self._address.path + path, body)
        except _BROKEN:
            self.disconnect()
            if not reused:
                raise
            return self._request(self._address.path + path, body)

    def _request(self, path: str, body: bytes) -> CollectorResponse:
        if self._connection is None:
            self._connection = self._address.connect()
        headers = {"content-type": "application/json"}
        if self._token is not None:
            # The kubelet writes a new token before the old one expires: the file is read every time.
            headers["authorization"] = f"Bearer {self._token.read_text().strip()}"
        whole = False
        # A server that finds the body too large may respond before its end, and stop reading.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.request("POST", path, body, headers)
            whole = True
        response = self._connection.getresponse()
        content = response.read(_MAX_RESPONSE_BYTES)
        if not (whole and response.isclosed()):
            self.disconnect()
        return _parse(response.status, response.headers.get("retry-after", ""), content)

    def disconnect(self) -> None:
        """The next request opens a new connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _parse(status: int, retry_after: str, body: bytes) -> CollectorResponse:
    stored, problem = None, f"status {status}"
    try:
        if 200 <= status < 300:
            stored = msgspec.json.decode(body, type=Stored)
        elif isinstance(error := msgspec.json.decode(body, type=dict[str, Any]).get("error"), str):
            problem += f": {error[:MAX_PROBLEM]}"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem += ", and the body is not a collector's"
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
    return CollectorResponse(status, seconds, stored, problem)

"""Bytes over HTTP: with patience for what passes, within one deadline, and with a sentence for what does not."""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Final, TypeVar
from urllib.parse import urlsplit

from viridian.api.address import Address, place, without_user
from viridian.api.origins import Origin, origin_of
from viridian.serving.errors import FetchFailed

TIMEOUT: Final = 30.0
"""Seconds without a byte until an attempt is given up."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0
_CHUNK: Final = 1024 * 1024
_MOST_TEXT: Final = 4 * _CHUNK
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that another attempt may not meet."""

_TOO_LARGE: Final = "the model is larger than the limit of bytes, see viridian-fetch --help"

T = TypeVar("T")


class Transfer:
    """Downloads with one deadline for all of them, and one limit for all their bytes."""

    def __init__(
        self,
        deadline_seconds: float,
        max_bytes: int,
        credentials: Mapping[str, str],
        *,
        trusted: Origin | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`trusted`: the only origin that is ever shown the credentials."""
        self._clock = clock
        self._pause = pause
        self._trusted = trusted
        self._opener = urllib.request.build_opener(_Redirects)
        self._deadline = clock() + deadline_seconds
        self._left = max_bytes
        self._authorization = _authorization(credentials)

    def text(self, url: str, *, authorize: bool = False) -> bytes:
        """A small document. `authorize` shows the credentials, to the trusted origin alone."""

        def read(response: http.client.HTTPResponse) -> bytes:
            return b"".join(_chunks(response, _MOST_TEXT))

        return self._patiently(url, authorize, read)

    def file(self, url: str, target: Path, *, authorize: bool = False) -> None:
        """The target holds the bytes of the URL, all of them."""

        def write(response: http.client.HTTPResponse) -> int:
            with target.open("wb") as file:
                return sum(file.write(chunk) for chunk in _chunks(response, self._left))

        target.parent.mkdir(parents=True, exist_ok=True)
        self._left -= self._patiently(url, authorize, write)

    def reserve(self, size: int) -> None:
        """Room for so many more bytes that come from elsewhere, such as out of an archive."""
        if size > self._left:
            raise FetchFailed(_TOO_LARGE)
        self._left -= size

    def _patiently(self, url: str, authorize: bool, use: Callable[[http.client.HTTPResponse], T]) -> T:
        """What `use` makes of the response; an attempt that failed in passing is repeated after a growing pause."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._once(url, authorize, use)
            except urllib.error.HTTPError as error:
                error.close()
                problem = f"{place(url)} answered {error.code} {error.reason}"
                if error.code not in _PASSING:
                    raise FetchFailed(f"{problem}{_hint(error.code, url)}") from error
            except http.client.InvalidURL as error:
                raise FetchFailed(f"{place(url)} is no address: {Address(url).concealed_in(str(error))}") from None
            except (OSError, http.client.HTTPException) as error:
                problem = f"{place(url)} cannot be read: {Address(url).concealed_in(_words(error))}"
            if self._clock() + pause > self._deadline:
                raise FetchFailed(f"{problem}; the time for fetching the model is over")
            self._pause(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _once(self, url: str, authorize: bool, use: Callable[[http.client.HTTPResponse], T]) -> T:
        if urlsplit(url).scheme not in ("http", "https"):
            raise FetchFailed(f"{place(url)} is neither http nor https")
        if not without_user(url):
            raise FetchFailed(
                f"{place(url)} is written with a user or a password, which is not sent: sign the address instead, or "
                "serve the file to those who hold its address"
            )
        request = urllib.request.Request(url)  # noqa: S310 - the scheme was checked
        if authorize and self._authorization and self._trusted is not None and origin_of(url) == self._trusted:
            # Not sent again to where a redirect leads.
            request.add_unredirected_header("Authorization", self._authorization)
        with self._opener.open(request, timeout=TIMEOUT) as response:
            return use(response)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https, and never from https to http, where everybody on the way reads and changes."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        target = origin_of(newurl)
        if target is None or (urlsplit(req.full_url).scheme == "https" and target.scheme != "https"):
            fp.close()
            raise FetchFailed(
                f"{place(req.full_url)} redirects to {target or 'an address that is neither http nor https'}, "
                "which is not followed"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _chunks(response: http.client.HTTPResponse, limit: int) -> Iterator[bytes]:
    """All bytes that were promised, and no more than the limit."""
    promised = response.headers.get("Content-Length")
    size = 0
    while chunk := response.read(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise FetchFailed(_TOO_LARGE)
        yield chunk
    if promised is not None and size != int(promised):
        # Reading in pieces, http.client takes an answer that was cut for a complete one.
        raise http.client.IncompleteRead(b"", int(promised) - size)


def _authorization(credentials: Mapping[str, str]) -> str:
    """MLflow's own variables, as its client understands them."""
    user, password = credentials.get("MLFLOW_TRACKING_USERNAME"), credentials.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    token = credentials.get("MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else ""


def _hint(status: int, url: str) -> str:
    if status == 403:
        host = urlsplit(place(url)).netloc
        return f": MLflow refuses the host name {host} unless it was started with --allowed-hosts, or access is denied"
    if status == 401:
        return ": set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    return ": the model is not there (any more)" if status == 404 else ""


def _words(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    words = f"{type(reason).__name__}: {reason}" if str(reason) else type(reason).__name__
    return f"{words}{_missing_authorities()}" if isinstance(reason, ssl.SSLCertVerificationError) else words


def _missing_authorities() -> str:
    """Python reports nothing of a file of authorities that is not there, and then trusts nobody."""
    named = os.environ.get("SSL_CERT_FILE", "")
    if not named or Path(named).exists():
        return ""
    return (
        f"; {named} of SSL_CERT_FILE is not there: make the ConfigMap of the operator's --ca-bundle in this namespace"
    )

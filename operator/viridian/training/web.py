"""Files over HTTP, for stages whose data lies on a server."""

from __future__ import annotations

import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

_TIMEOUT_SECONDS: Final = 60


def is_web_address(uri: str) -> bool:
    return urlsplit(uri).scheme in ("http", "https")


def get(uri: str, headers: Mapping[str, str] | None = None, context: ssl.SSLContext | None = None) -> HTTPResponse:
    """The open response of a GET. OSError where the server refuses or is not there, ValueError for another scheme.

    `context` says which certificates are trusted in the place of the system's.
    """
    if not is_web_address(uri):
        raise ValueError("the address begins with neither http:// nor https://")
    request = urllib.request.Request(uri)  # noqa: S310 - the scheme was looked at
    for name, value in (headers or {}).items():
        request.add_unredirected_header(name, value)  # not shown again to where a redirect leads
    try:
        return cast(HTTPResponse, urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS, context=context))  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()  # its body is not read, and the connection would stay open
        raise


def download(uri: str, target: Path) -> Path:
    """The file at this address, written to `target`. OSError as for `get`."""
    with get(uri) as answer, target.open("wb") as file:
        shutil.copyfileobj(answer, file)
    return target

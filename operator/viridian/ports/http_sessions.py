"""HTTP sessions for peers whose answers are not trusted to be small, and which must learn nothing but what is asked.

Nothing is decompressed, no cookie is kept, and a proxy is used only where the caller names it. Redirects are refused
with each request, and bodies are read by `viridian.ports.bounded_bodies`.
"""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from yarl import URL

_RECEIVE_BYTES: Final = 16 * 1024
"""Of a socket's buffer: what has come together is parsed in one go, in which no other thread gets its turn."""


def session(
    headers: Mapping[str, str] | None = None, *, proxy: str | None = None, **connector: Any
) -> aiohttp.ClientSession:
    """To be made on the loop that uses it; other keywords are those of aiohttp's TCPConnector."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(socket_factory=_socket, **connector),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "User-Agent": "viridian", **(headers or {})},
        proxy=proxy,
        trust_env=False,
    )


def proxy_for(url: URL) -> str | None:
    """The proxy of the environment for an address; None where it is called directly.

    aiohttp's own way of finding it would read passwords from ~/.netrc as well.
    """
    host = url.host or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        return None
    proxies = urllib.request.getproxies_environment()
    if urllib.request.proxy_bypass_environment(host, proxies):  # type: ignore[attr-defined]
        return None
    return proxies.get(url.scheme)


def _socket(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    return made

"""HTTP sessions for peers whose answers are not trusted to be small, and which must learn nothing but what is asked.

Nothing is decompressed, no cookie is kept and no proxy of the environment is used. Redirects are refused with each
request, and bodies are read by `viridian.ports.bounded_bodies`.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

_RECEIVE_BYTES: Final = 16 * 1024
"""Of a socket's buffer: what has come together is parsed in one go, in which no other thread gets its turn."""


def session(headers: Mapping[str, str] | None = None, **connector: Any) -> aiohttp.ClientSession:
    """To be made on the loop that uses it; keywords are those of aiohttp's TCPConnector."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(socket_factory=_socket, **connector),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "User-Agent": "viridian", **(headers or {})},
        trust_env=False,
    )


def _socket(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    return made

"""The address of another pod, as settings and orders name it."""

from __future__ import annotations

from urllib.parse import urlsplit


class Target:
    """Where a challenger is; ValueError says what is wrong with the address."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("a challenger's address is http://host:port, such as http://churn-preview:8080")
        if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("a challenger's address is http://host:port and nothing else: no user, path or query")
        self.url = url
        self.host: str = parts.hostname
        self.port = parts.port or 80
        self.authority = parts.netloc.encode()

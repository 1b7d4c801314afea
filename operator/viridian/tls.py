"""TLS between the collector and its callers: its certificate, and the authority by which callers know it."""

from __future__ import annotations

import ssl
from pathlib import Path


class CertificateUnusable(OSError):
    """A certificate or its key cannot be used; `strerror` says why."""


class Certificate:
    """A certificate and its key in files, which somebody renews while the process runs."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._stamp = self._read_stamp()
        self._load(self.context)

    def renew(self) -> str:
        """Take files that have changed, for connections that begin from now on; a sentence where they cannot be used.

        They may be seen half written: then the former ones stay until the files change again.
        """
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                return ""
            self._stamp = stamp
            # Tried on its own first: a context that took half of it would serve nobody.
            self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._load(self.context)
        except CertificateUnusable as error:
            return f"{error.strerror}; the former certificate stays in use"
        return ""

    def _load(self, context: ssl.SSLContext) -> None:
        certificate, key = self._files
        try:
            # A key with a password would ask for it at a terminal that is not there.
            context.load_cert_chain(certificate, key, password=lambda: "")
        except (OSError, ValueError) as error:
            raise CertificateUnusable(0, f"{certificate} and {key} cannot be used: {error}") from error

    def _read_stamp(self) -> tuple[tuple[int, int], ...]:
        try:
            return tuple((found.st_mtime_ns, found.st_ino) for found in (file.stat() for file in self._files))
        except OSError as error:
            raise CertificateUnusable(0, f"{error.filename} cannot be read: {error.strerror}") from error


def trusting(authority: Path | None) -> ssl.SSLContext:
    """For calls of the collector: the computer's own authorities, and this one where the file is there."""
    context = ssl.create_default_context()
    if authority is not None and authority.is_file():
        context.load_verify_locations(authority)
    return context

"""The keys of namespaces that Secrets mount as folders: the name of a file is that of its sender."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from viridian.receiver.event_signatures import SigningKey

log = logging.getLogger("viridian.receiver")

MIN_BYTES: Final = 24
"""Of a key, as Standard Webhooks asks for: what is shorter can be found by trying."""
MAX_BYTES: Final = 1024
MAX_KEYS: Final = 16
"""Of a namespace: each is tried for each signed request."""
_ENCODED: Final = "whsec_"


class KeyFolders:
    """Read anew for each request: the kubelet puts a changed Secret in place while the operator runs."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)
        self._reported: set[Path] = set()

    def of(self, namespace: str) -> tuple[SigningKey, ...]:
        """The keys of the namespace; none where it has no folder, or nothing in it can be used."""
        folder = self._folders.get(namespace)
        if folder is None:
            return ()
        try:
            files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))[:MAX_KEYS]
        except OSError as error:
            self._report(folder, f"cannot be read: {type(error).__name__}")
            return ()
        return tuple(key for key in map(self._key, files) if key is not None)

    def _key(self, file: Path) -> SigningKey | None:
        try:
            with file.open("rb") as opened:
                content = opened.read(MAX_BYTES + 1).strip()
        except OSError as error:
            self._report(file, f"cannot be read: {type(error).__name__}")
            return None
        secret = _decoded(content)
        if secret is None or not MIN_BYTES <= len(secret) <= MAX_BYTES:
            self._report(
                file, f"is no key: write {MIN_BYTES} to {MAX_BYTES} random bytes, such as openssl rand -base64 32"
            )
            return None
        return SigningKey(file.name, secret)

    def _report(self, path: Path, problem: str) -> None:
        if path not in self._reported:
            self._reported.add(path)
            log.warning("%s %s; no request is accepted by it", path, problem)


def _decoded(content: bytes) -> bytes | None:
    """`whsec_<base64>` as Standard Webhooks writes keys, anything else as it is."""
    if not content.startswith(_ENCODED.encode()):
        return content
    try:
        return base64.b64decode(content[len(_ENCODED) :], validate=True)
    except binascii.Error:
        return None

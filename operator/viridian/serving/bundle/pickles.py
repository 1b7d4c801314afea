"""Telling a pickle from its first bytes, whatever it is called and however it is packed. Nothing is ever unpickled.

The caller has rejected the file already: this only finds the message that helps its author.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickletools
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

_HEAD: Final = 4096
_OPCODES: Final = 8
"""Bytes at random seldom make so many opcodes in a row."""
_LZ4_OR_ZSTD: Final = (b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd")
"""joblib can pack with the first; neither is unpacked here, and neither is how ONNX or skops begin."""


def is_pickle(path: Path) -> bool:
    """Whether the file is a pickle, raw or in a compression that Python or joblib knows."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return head.startswith(_LZ4_OR_ZSTD) or any(_begins_a_pickle(plain) for plain in (head, *_unpacked(path, head)))


def _begins_a_pickle(head: bytes) -> bool:
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return True
    found = 0
    try:
        for opcode, _, _ in pickletools.genops(io.BytesIO(head)):
            found += 1
            if opcode.name == "STOP" or found == _OPCODES:
                return True
    except ValueError:
        return False
    return False


def _unpacked(path: Path, head: bytes) -> Iterator[bytes]:
    """The first bytes inside, for each compression that the file could be in."""
    readers: tuple[Callable[[Path], Any], ...] = (gzip.open, bz2.open, lzma.open)
    for reader in readers:
        try:
            with reader(path) as file:
                yield file.read(_HEAD)
        except (OSError, EOFError, zlib.error, lzma.LZMAError):
            continue
    try:
        yield zlib.decompressobj().decompress(head, _HEAD)
    except zlib.error:
        return

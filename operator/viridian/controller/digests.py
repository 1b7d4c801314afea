"""Digests of what is compared later, so that ten thousand statuses need not be kept for that."""

from __future__ import annotations

from hashlib import blake2b

import msgspec


def digest(value: object) -> bytes:
    """The same for the same JSON, whatever the order of its keys."""
    return blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=16).digest()

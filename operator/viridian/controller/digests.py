"""Digests of what is compared later, so that ten thousand statuses need not be kept for that."""

from __future__ import annotations

import json
from hashlib import blake2b


def digest(value: object) -> bytes:
    """The same for the same JSON, whatever the order of its keys."""
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).digest()

"""Prediction ids: UUID version 7 (RFC 9562, section 5.7), so that they sort by time."""

from __future__ import annotations

import os
import random
import time

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM_A = 0xFFF << 64
_RANDOM_B = (1 << 62) - 1
# Ids must differ, and need not be secret: a generator with a seed of its own in each process spares a system call.
_noise = random.Random(os.urandom(32))  # noqa: S311


def prediction_id() -> str:
    """48 bits of milliseconds since 1970, then 74 random bits."""
    noise = _noise.getrandbits(80)
    value = (time.time_ns() // 1_000_000) << 80 | _VERSION | noise & _RANDOM_A | _VARIANT | noise & _RANDOM_B
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

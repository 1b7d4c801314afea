"""Durations as people write them in YAML: `90s`, `5m`, `1h30m`, `14d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

# Every part is optional, so the pattern also matches nothing at all: that is refused beside it. Five digits keep any
# text within what CEL and timedelta can count.
PATTERN: Final = "^([0-9]{1,5}d)?([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?([0-9]{1,5}ms)?$"
MAX_LENGTH: Final = 32
_PART = re.compile(r"([0-9]{1,5})(ms|s|m|h|d)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def parse(text: str) -> timedelta:
    """The length of time that the text names; ValueError says what to write instead."""
    if not text or not re.fullmatch(PATTERN, text):
        raise ValueError(f"{text!r} is not a duration; write for example 90s, 5m, 1h30m or 14d, largest unit first")
    return sum((int(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())


def format_duration(length: timedelta) -> str:
    """A length of time in the same notation, rounded to what a person wants to read: `0.8s`, `3m05s`, `2h10m`."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"

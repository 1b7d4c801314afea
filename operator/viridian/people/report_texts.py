"""Numbers and spans of time in the tables of a report."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

ABSENT: Final = "-"
_DAY: Final = 86_400.0


def number_of(value: float | None) -> str:
    """A number with four digits that count."""
    return ABSENT if value is None else f"{value:.4g}"


def span(seconds: float | None) -> str:
    """A span of time in the largest unit that gives two digits: `3.0d`, `5.2h`, `12m`."""
    if seconds is None:
        return ABSENT
    for unit, length in (("d", _DAY), ("h", 3600.0), ("m", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.1f}{unit}"
    return f"{timedelta(seconds=seconds).total_seconds():.0f}s"

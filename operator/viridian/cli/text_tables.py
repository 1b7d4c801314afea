"""Plain text for terminals: tables, times and spans of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from viridian.core.times import format_time

ABSENT: Final = "-"
_DAY: Final = 86_400.0


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell; the headings are in capitals, as in kubectl."""
    cells = [[heading.upper() for heading in headings], *rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(headings))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def number_of(value: float | None) -> str:
    """A number with four digits that count."""
    return ABSENT if value is None else f"{value:.4g}"


def time_of(at: float | None) -> str:
    """A point in time in seconds since 1970."""
    return ABSENT if at is None else format_time(datetime.fromtimestamp(at, UTC))


def span(seconds: float | None) -> str:
    """A span of time in the largest unit that gives two digits: `3.0d`, `5.2h`, `12m`."""
    if seconds is None:
        return ABSENT
    for unit, length in (("d", _DAY), ("h", 3600.0), ("m", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.1f}{unit}"
    return f"{timedelta(seconds=seconds).total_seconds():.0f}s"

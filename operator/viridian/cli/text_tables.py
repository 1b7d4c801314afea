"""Plain text for terminals: tables and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from viridian.core.times import format_time
from viridian.people.report_texts import ABSENT


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell; the headings are in capitals, as in kubectl."""
    cells = [[heading.upper() for heading in headings], *rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(headings))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def time_of(at: float | None) -> str:
    """A point in time in seconds since 1970."""
    return ABSENT if at is None else format_time(datetime.fromtimestamp(at, UTC))

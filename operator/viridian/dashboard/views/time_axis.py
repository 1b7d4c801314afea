"""Round moments of UTC for an axis of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_TICK_STEPS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400)
)
_MAX_TICKS: Final = 8
LABEL_ROOM: Final = 36.0
"""That a label needs on each side of its tick, in the units of the pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeTick:
    """A label at its place on an axis."""

    x: float
    label: str


def time_ticks(start: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
    """Each with its label, the earliest first; eight at most."""
    span = end - start
    step = next((one for one in _TICK_STEPS if span / one <= _MAX_TICKS), timedelta(days=max(1, span.days // 6)))
    form = "%H:%M" if step < timedelta(hours=12) and span < timedelta(days=1) else "%d %b"
    if timedelta(days=1) <= span and step < timedelta(days=1):
        form = "%d %b %H:%M"
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    at = epoch + step * (-(-(start - epoch) // step))
    while at <= end:
        yield at, at.strftime(form)
        at += step

"""Times and numbers as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from viridian.core.times import parse_time

_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def age(text: str | None, now: datetime) -> str:
    """How long ago, in its largest unit: `3 h ago`; empty where it is not known."""
    at = parse_time(text)
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    return f"{_length(seconds)} ago" if seconds >= 1 else "now" if seconds > -1 else f"in {_length(-seconds)}"


def moment(at: datetime | None) -> str:
    """`2026-11-28 14:03 UTC`."""
    return "" if at is None else at.strftime("%Y-%m-%d %H:%M UTC")


def shown_time(text: str | None) -> str:
    """A time of the API as `moment` writes it; as it is where it is none."""
    at = parse_time(text)
    return moment(at) if at is not None else text or ""


def number(value: float | None) -> str:
    """Four significant digits; a dash for nothing."""
    return "–" if value is None else f"{value:.4g}"


def _length(seconds: float) -> str:
    whole = timedelta(seconds=seconds).total_seconds()
    unit, size = next(((unit, size) for unit, size in _UNITS if whole >= size), _UNITS[-1])
    return f"{int(whole // size)} {unit}"

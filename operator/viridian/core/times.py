"""Points in time as the Kubernetes API writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from viridian.api import durations


def format_time(now: datetime) -> str:
    """A point in time as the Kubernetes API writes it, in whole seconds."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_time_micros(now: datetime) -> str:
    """The same in microseconds, for measuring."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: Any) -> datetime | None:
    """The point in time that such a text names, None for anything else.

    Years that nobody means are nothing as well: adding a duration to them would leave the calendar.
    """
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 1970 <= parsed.year < 9000:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def older_than(since: datetime | None, limit: timedelta, now: datetime) -> bool:
    """Whether it is known since when, and longer than that."""
    return since is not None and now - since > limit


def has_come_round(elapsed: timedelta, interval: timedelta, cadence: timedelta) -> bool:
    """Whether a multiple of the cadence has passed since the look before, which was one interval ago."""
    return elapsed // cadence > max(timedelta(), elapsed - interval) // cadence


def length(duration: str) -> timedelta:
    """The length of a duration; nothing for one that the schema would have refused."""
    try:
        return durations.parse(duration)
    except ValueError:
        return timedelta()

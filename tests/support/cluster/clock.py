"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache


class ManualClock:
    """Called, it gives the present moment; in UTC."""

    def __init__(self, now: datetime = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@lru_cache(maxsize=1024)
def stamp(moment: datetime) -> str:
    """The moment as the API server writes it: whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=1024)
def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))

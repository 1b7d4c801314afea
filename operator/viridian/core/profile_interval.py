"""How often a model server sends the collector what it has counted: often enough for the windows of its monitors."""

from __future__ import annotations

from typing import Final

from viridian.api import durations
from viridian.api.monitoring import Monitoring

MAX_SECONDS: Final = 60
_MIN_SECONDS: Final = 5
_PARTS: Final = 4
"""A short window is sent in so many parts."""


def profile_seconds(monitoring: Monitoring | None) -> int:
    """The interval that servers get."""
    return MAX_SECONDS if monitoring is None else interval(durations.parse(monitoring.window).total_seconds())


def interval(window_seconds: float) -> int:
    """The interval for windows of that length."""
    return max(_MIN_SECONDS, min(MAX_SECONDS, int(window_seconds / _PARTS)))

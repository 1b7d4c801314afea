"""Since when no window could be judged, and how much was missed since: silence is not health.

The condition `Monitored` remembers the time, so an operator that starts again goes on counting. What the monitors found
last stands for one window more, since another window may look different. After that nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from viridian.api import durations, reasons
from viridian.core.conditions import conditions_in
from viridian.core.times import format_time, parse_time
from viridian.monitoring.input import MonitoringInput

_BLIND: Final = (reasons.COLLECTOR_UNAVAILABLE, reasons.COLLECTOR_REFUSED, reasons.NO_COLLECTOR, reasons.STALE)


@dataclass(frozen=True, slots=True)
class Blindness:
    """Windows cannot be judged."""

    since: datetime
    window: timedelta
    missed: int
    """Whole windows that have passed meanwhile."""

    @property
    def is_stale(self) -> bool:
        """Whether what was found last says nothing any more."""
        return self.missed > 0

    @property
    def stale_at(self) -> datetime:
        """When the next window has been missed."""
        return self.since + (self.missed + 1) * self.window

    @property
    def age(self) -> str:
        """It changes once a window, so that a status at rest is not written for it."""
        length = durations.format_duration(self.missed * self.window)
        return f"no window has been judged since {format_time(self.since)}, for {length} or more"


def blindness(inputs: MonitoringInput, now: datetime) -> Blindness | None:
    """How long the monitors have been blind; None where the newest window was judged, or there are no monitors."""
    monitoring = inputs.spec.monitoring if inputs.spec is not None else None
    if inputs.failure is None or monitoring is None:
        return None
    window = max(durations.parse(monitoring.window), timedelta(seconds=1))
    stored = conditions_in(inputs.status.get("conditions"))
    since = _not_judged_since(next((one for one in stored if one.get("type") == reasons.MONITORED), {}))
    # A clock that has gone back makes nothing fresh again, and nothing older than it is.
    began = min(since, now) if since is not None else now
    return Blindness(began, window, int((now - began) / window))


def _not_judged_since(monitored: Mapping[str, object]) -> datetime | None:
    """When the condition came to say that no window can be judged; None where it says something else."""
    if monitored.get("reason") not in _BLIND:
        return None
    return parse_time(monitored.get("lastTransitionTime"))

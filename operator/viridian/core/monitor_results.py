"""What the monitors of a ModelDeployment have found, as it was recorded: read by whatever acts on it.

It stands in `status.monitoring` of the ModelDeployment, and on the record of the revision that it is about. It may be
old: while no window can be judged, nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from viridian.api.monitoring_status import MonitoringStatus, MonitorStatus
from viridian.core.lenient import readable
from viridian.core.lookup import json_in
from viridian.core.times import parse_time

_LONGEST_WINDOW: Final = timedelta(days=30)
FIRED: Final = "Fired"
"""The verdict of a monitor that has fired."""
QUIET: Final = "Quiet"
"""The verdict of one that has judged enough data, and found nothing."""


@dataclass(frozen=True, slots=True)
class FiredMonitor:
    """A monitor that has fired in the newest window that was recorded."""

    name: str
    status: MonitorStatus
    windows: int
    """In how many windows in a row, as far as they were counted."""
    last: datetime
    """End of the newest of them."""


@dataclass(frozen=True, slots=True)
class MonitorResults:
    """The newest results that were recorded, of one revision."""

    revision: str
    start: datetime
    """Beginning of the window that brought the verdicts."""
    end: datetime
    status: MonitoringStatus

    @property
    def length(self) -> timedelta:
        """Of a window; bounded, since another client may have written the times."""
        return min(max(self.end - self.start, timedelta()), _LONGEST_WINDOW)

    def fired(self) -> Iterator[FiredMonitor]:
        """The monitors that have fired."""
        for monitor in self.status.monitors:
            if monitor.verdict != FIRED:
                continue
            last = parse_time(monitor.firing.last) if monitor.firing is not None else None
            if monitor.firing is not None and last is not None:
                yield FiredMonitor(monitor.name, monitor, monitor.firing.windows, last)
            else:
                yield FiredMonitor(monitor.name, monitor, 1, self.end)


def parse_annotation(annotation: str) -> Mapping[str, Any] | None:
    """What an annotation on a record remembers; None for nothing, or nothing that makes sense."""
    found = json_in(annotation)
    return found if isinstance(found, Mapping) else None


def parse_results(recorded: Mapping[str, Any] | None) -> MonitorResults | None:
    """The results in such a document; None where it holds none, or none that make sense."""
    status = readable(recorded, MonitoringStatus)
    start, end = (parse_time(status.start), parse_time(status.end)) if status is not None else (None, None)
    if status is None or start is None or end is None:
        return None
    return MonitorResults(status.revision, start, end, status)

"""In how many windows in a row a monitor has fired: counted while a trigger of a RetrainPolicy asks for it.

Each further window is then written down, with its figures. Of other monitors the record stays as it is for as long as
their verdicts do. A window that was not judged, or whose numbers are not beyond the threshold, ends the row: a monitor
that only is not quiet yet fires, and its row does not grow.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from viridian.api.monitoring_status import FiringStatus
from viridian.core.monitor_results import FiredMonitor, parse_results
from viridian.core.times import format_time
from viridian.judgement.figures import MonitorVerdict
from viridian.monitoring.monitor_report import MonitoringReport
from viridian.monitoring.status import entry_of, stored_entries


def with_rows(
    status: Mapping[str, Any] | None,
    stored: Mapping[str, Any] | None,
    report: MonitoringReport | None,
    counted: Collection[str],
) -> Mapping[str, Any] | None:
    """The next status with the rows of the monitors that are counted; `stored` is the status before."""
    if status is None or report is None or not counted:
        return status
    before = parse_results(stored)
    known = {one.name: one for one in before.fired()} if before is not None else {}
    fired = {
        result.name: result
        for result in report.results
        if result.name in counted and result.verdict is MonitorVerdict.FIRED and result.beyond
    }
    entries = [
        {**entry, **entry_of(fired[name], _row(known.get(name), report))} if name in fired else dict(entry)
        for entry in stored_entries(status)
        for name in (str(entry.get("name")),)
    ]
    return {**status, "monitors": entries}


def _row(known: FiredMonitor | None, report: MonitoringReport) -> FiringStatus:
    calendar = report.calendar
    windows, last = 1, format_time(datetime.fromtimestamp(calendar.end, UTC))
    if known is not None:
        passed = round((calendar.end - known.last.timestamp()) / calendar.seconds)
        windows = known.windows + passed if passed in (0, 1) else 1
    return FiringStatus(windows=windows, last=last)

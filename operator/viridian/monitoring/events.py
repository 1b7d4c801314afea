"""The Events of the monitors: each is recorded once, when something changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from viridian.api import reasons
from viridian.api.monitoring_status import ReviewStatus
from viridian.api.texts import introduced
from viridian.core.conditions import Finding, Truth
from viridian.core.plan import Event, EventType
from viridian.judgement.figures import MonitorVerdict
from viridian.monitoring.monitor_report import MonitoringReport
from viridian.monitoring.review import is_answer
from viridian.monitoring.status import is_firing, stored_entries


def events_of_results(report: MonitoringReport | None, stored: Mapping[str, Any] | None) -> Iterator[Event]:
    """A monitor has fired, or has become quiet again."""
    firing = {str(entry.get("name")) for entry in stored_entries(stored) if is_firing(entry)}
    for result in report.results if report is not None else ():
        message = introduced(result.name, result.sentence)
        fired = result.name in firing
        if result.verdict is MonitorVerdict.FIRED and not fired:
            yield Event(EventType.WARNING, reasons.EVENT_MONITOR_FIRED, message)
        elif result.verdict is MonitorVerdict.QUIET and fired:
            yield Event(EventType.NORMAL, reasons.EVENT_MONITOR_QUIET, message)


def events_of_review(before: ReviewStatus | None, review: ReviewStatus | None, answer: str) -> Iterator[Event]:
    """A review was answered, or is asked for."""
    if before is not None and not before.reviewed and is_answer(answer, before):
        yield Event(EventType.NORMAL, reasons.EVENT_REVIEWED, f"{before.asked}: {before.message}")
    if review is not None and not review.reviewed and (before is None or before.asked != review.asked):
        yield Event(EventType.WARNING, reasons.EVENT_REVIEW_REQUIRED, f"{review.asked}: {review.message}")


def events_of_sight(before: Sequence[Mapping[str, Any]], findings: Sequence[Finding]) -> Iterator[Event]:
    """Windows were evaluated until now, and cannot be any more."""
    was = {condition.get("type"): condition.get("status") for condition in before}
    for finding in findings:
        if (
            finding.type == reasons.MONITORED
            and finding.status is not Truth.TRUE
            and was.get(finding.type) == Truth.TRUE
        ):
            yield Event(EventType.WARNING, reasons.EVENT_MONITORING_BLIND, finding.message)

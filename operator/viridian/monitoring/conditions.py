"""The conditions of the monitors: whether windows are evaluated at all, and one for each kind of question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from viridian.api import reasons
from viridian.api.monitoring import Action, Monitor, Source, source_of
from viridian.api.monitoring_status import ReviewStatus
from viridian.api.names import REVIEWED_ANNOTATION
from viridian.api.texts import introduced
from viridian.core.conditions import Finding, Truth
from viridian.core.obstacles import outage, refusal
from viridian.judgement.figures import MonitorVerdict, overall
from viridian.monitoring.freshness import Blindness, blindness
from viridian.monitoring.input import MonitoringInput
from viridian.monitoring.sources import CONDITIONS, condition_of, reason_of
from viridian.monitoring.status import stored_entries

_TRUTHS: Final = {
    MonitorVerdict.FIRED: Truth.TRUE,
    MonitorVerdict.QUIET: Truth.FALSE,
    MonitorVerdict.INSUFFICIENT_DATA: Truth.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class _StoredResult:
    """The newest result of a monitor, as the status has it."""

    monitor: Monitor
    source: Source
    verdict: MonitorVerdict
    sentence: str


def conditions_of(
    inputs: MonitoringInput, status: Mapping[str, Any] | None, review: ReviewStatus | None, now: datetime
) -> Iterator[Finding]:
    """All conditions of the monitors; none where there is nothing to evaluate. `status`: the next status.monitoring.

    Where no window could be judged for longer than a window, what was found last is not known to hold. A review that a
    person was asked for is owed all the same.
    """
    if inputs.champion is None or inputs.evaluation is None:
        return
    blind = blindness(inputs, now)
    yield _monitored(inputs, blind)
    results = _stored_results(inputs.monitors, status)
    for condition in _shown(inputs.monitors):
        chosen = [result for result in results if condition_of(result.source) == condition]
        yield _if_fresh(_summary(condition, chosen, reasons.WITHIN_THRESHOLDS), blind)
    of_review = [monitor for monitor in inputs.monitors if monitor.action is Action.REVIEW]
    if of_review and review is not None:
        yield _review(inputs, review)
    elif of_review:
        chosen = [result for result in results if result.monitor in of_review]
        yield _if_fresh(_summary(reasons.REVIEW_REQUIRED, chosen, reasons.NOTHING_TO_REVIEW), blind)


def _if_fresh(finding: Finding, blind: Blindness | None) -> Finding:
    """The finding as long as it counts, and then what it was."""
    if blind is None or not blind.is_stale or finding.status is Truth.UNKNOWN:
        return finding
    message = f"{blind.age}; until then {finding.status}, {finding.reason}: {finding.message}"
    return Finding(finding.type, Truth.UNKNOWN, reasons.STALE, message)


def _monitored(inputs: MonitoringInput, blind: Blindness | None) -> Finding:
    """An operator without a collector knows that nothing is judged. One that gets no answer knows nothing."""
    problem = refusal(inputs.obstacles) or outage(inputs.obstacles)
    if (failure := inputs.failure) is not None:
        if failure.reason == reasons.NO_COLLECTOR:
            return Finding(reasons.MONITORED, Truth.FALSE, failure.reason, failure.message)
        if blind is not None and blind.is_stale:
            return Finding(reasons.MONITORED, Truth.UNKNOWN, reasons.STALE, f"{blind.age}: {failure.message}")
        return Finding(reasons.MONITORED, Truth.UNKNOWN, failure.reason, failure.message)
    if problem is not None:
        return Finding(reasons.MONITORED, Truth.FALSE, *problem)
    return Finding(reasons.MONITORED, Truth.TRUE, reasons.WINDOWS_JUDGED, "every window is judged once it is complete")


def _shown(monitors: Sequence[Monitor]) -> list[str]:
    """The conditions that some monitor is about, always in the same order."""
    shown = {condition_of(source) for monitor in monitors if (source := source_of(monitor)) is not None}
    return [condition for condition in CONDITIONS if condition in shown]


def _stored_results(monitors: Sequence[Monitor], status: Mapping[str, Any] | None) -> list[_StoredResult]:
    """In the order of the spec; a monitor without a result is left out."""
    entries = {str(entry.get("name")): entry for entry in stored_entries(status)}
    found = []
    for monitor in monitors:
        source, entry = source_of(monitor), entries.get(monitor.name, {})
        verdict = next((verdict for verdict in MonitorVerdict if verdict.value == entry.get("verdict")), None)
        if source is not None and verdict is not None:
            found.append(_StoredResult(monitor, source, verdict, str(entry.get("message", ""))))
    return found


def _summary(condition: str, results: Sequence[_StoredResult], quiet: str) -> Finding:
    """The gravest verdict, with the sentences of all monitors that have it; `quiet` is the reason where none fired."""
    if not results:
        return Finding(condition, Truth.UNKNOWN, reasons.NOT_JUDGED, "no window has been judged yet")
    verdict = overall(result.verdict for result in results)
    gravest = [result for result in results if result.verdict is verdict]
    reason = {
        MonitorVerdict.FIRED: reason_of(gravest[0].source),
        MonitorVerdict.QUIET: quiet,
        MonitorVerdict.INSUFFICIENT_DATA: reasons.INSUFFICIENT_DATA,
    }[verdict]
    sentences = "; ".join(introduced(result.monitor.name, result.sentence) for result in gravest)
    return Finding(condition, _TRUTHS[verdict], reason, sentences)


def _review(inputs: MonitoringInput, review: ReviewStatus) -> Finding:
    if review.reviewed:
        return Finding(reasons.REVIEW_REQUIRED, Truth.FALSE, reasons.REVIEWED, f"reviewed: {review.message}")
    annotation = f"{REVIEWED_ANNOTATION}={review.asked}"
    command = f"kubectl -n {inputs.namespace} annotate --overwrite md {inputs.name} {annotation}"
    message = f"{review.message}; once somebody has looked into it: {command}"
    return Finding(reasons.REVIEW_REQUIRED, Truth.TRUE, review.reason, message)

"""What a pass tells of the monitors: conditions, the status, and events where a verdict has changed.

At rest nothing is written: as long as the verdicts stay the same, the figures and sentences that were written with
them stay as well. Newer figures are in the operator's metrics.

What was said, and what a person was asked, is remembered on the record of the champion's revision. The status is a copy
of that: deleting it loses no open question, and answers none. Once another version serves, it is forgotten.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.monitoring import (
    MAX_FIGURES,
    Action,
    ConceptDrift,
    Decay,
    Drift,
    EstimatedPerformance,
    FigureStatus,
    Monitor,
    MonitoringStatus,
    MonitorStatus,
    PerformanceMonitor,
    PredictionDrift,
    ReviewStatus,
    Source,
    source_of,
)
from viridian.api.names import MONITORING_ANNOTATION, MONITORING_MANAGER, REVIEWED_ANNOTATION
from viridian.api.schema import MAX_WORD
from viridian.core.conditions import Finding, Truth, conditions_in, transition
from viridian.core.kube import without_empty
from viridian.core.plan import Annotate, Event, EventType, Plan
from viridian.core.times import format_time
from viridian.judgement.figures import Figure, MonitorVerdict, overall
from viridian.monitoring.evaluate import MonitoringReport, MonitorResult
from viridian.monitoring.review import is_answer, next_review, stored_review

_CONDITIONS: Final[Mapping[type, str]] = {
    Drift: reasons.DATA_DRIFT,
    PredictionDrift: reasons.PREDICTION_DRIFT,
    ConceptDrift: reasons.CONCEPT_DRIFT,
    Decay: reasons.DECAY,
    PerformanceMonitor: reasons.DECAY,
    EstimatedPerformance: reasons.DECAY,
}
_REASONS: Final[Mapping[type, str]] = {
    Drift: reasons.FEATURE_SHIFT,
    PredictionDrift: reasons.PREDICTION_SHIFT,
    ConceptDrift: reasons.MORE_ERRORS,
    Decay: reasons.DECLINING,
    PerformanceMonitor: reasons.BEYOND_LIMIT,
    EstimatedPerformance: reasons.ESTIMATED_BEYOND_LIMIT,
}
_TRUTHS: Final = {
    MonitorVerdict.FIRED: Truth.TRUE,
    MonitorVerdict.QUIET: Truth.FALSE,
    MonitorVerdict.INSUFFICIENT_DATA: Truth.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class EvaluationFailure:
    """Why the newest window was not judged: a reason of `viridian.api.reasons`, and a sentence for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringResult:
    """What the monitors made of this pass."""

    monitors: tuple[Monitor, ...]
    revision: str
    """The champion's; empty while there is none."""
    report: MonitoringReport | None = None
    """The newest that there is."""
    blind: EvaluationFailure | None = None
    """Why it is not of the newest window, or why there is none."""
    look: datetime | None = None
    """When there is more to see."""
    name: str = ""
    namespace: str = ""
    reviewed: str = ""
    """What a person says to have looked into: the time in the message of ReviewRequired."""
    record: str = ""
    """Name of the champion's record; empty where there is none, and the status has to do."""
    remembered: Mapping[str, Any] | None = None
    """What the monitors said before, as it stands there."""
    outdated: tuple[str, ...] = ()
    """Names of records of other revisions on which something of that is left."""


def with_monitoring(
    plan: Plan, watch: MonitoringResult | None, before: Mapping[str, Any], generation: int, now: datetime
) -> Plan:
    """The plan, that also tells what the monitors say; `before` is the status as it was read."""
    if watch is None or plan.status is None:
        return plan
    stored = _remembered(watch, before)
    asked = stored_review(stored)
    review = next_review(asked, watch.report, watch.reviewed, _reason)
    status = _status(watch, stored)
    if status is not None:
        status = _with_review(status, review)
    conditions = conditions_in(before.get("conditions"))
    findings = list(_findings(watch, status, conditions))
    if review is not None:
        findings = [_reviewing(watch, review) if one.type == reasons.REVIEW_REQUIRED else one for one in findings]
    known = transition(findings, before=conditions, generation=generation, now=now)
    others = plan.status.get("conditions") or ()
    wakes = [wake for wake in (plan.wake, watch.look) if wake is not None]
    told = (*_events(watch, stored), *_answers(asked, review, watch.reviewed))
    notes = tuple(_notes(watch, stored, status, told))
    return replace(
        plan,
        actions=(*plan.actions, *notes),
        status={**plan.status, **({"monitoring": status} if status else {}), "conditions": [*others, *known]},
        news=(*plan.news, *(() if watch.record else told), *_blindness(conditions, findings)),
        wake=min(wakes, default=None),
    )


# ---- what is remembered


def remembered(annotation: str) -> Mapping[str, Any] | None:
    """What stands on a record; None for nothing, or nothing that makes sense."""
    try:
        found: Any = json.loads(annotation)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, Mapping) else None


def _remembered(watch: MonitoringResult, before: Mapping[str, Any]) -> Mapping[str, Any] | None:
    told = watch.remembered if watch.record else before.get("monitoring")
    current = watch.monitors and isinstance(told, Mapping) and told.get("revision") == watch.revision
    return told if current and isinstance(told, Mapping) else None


def _notes(
    watch: MonitoringResult, stored: Mapping[str, Any] | None, status: Mapping[str, Any] | None, told: tuple[Event, ...]
) -> Iterator[Annotate]:
    if watch.record and status is not None and status != stored:
        noted = {MONITORING_ANNOTATION: json.dumps(status, ensure_ascii=False)}
        yield Annotate("apps/v1", "ControllerRevision", watch.record, noted, tells=told, manager=MONITORING_MANAGER)
    for name in watch.outdated:
        yield Annotate("apps/v1", "ControllerRevision", name, {}, manager=MONITORING_MANAGER)


# ---- the status


def _status(watch: MonitoringResult, stored: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The next `status.monitoring`: the one before, as long as it says the same."""
    if watch.report is None:
        return stored
    fresh = _plain(watch.report)
    calm = stored is not None and _same(_stored_monitors(stored), _stored_monitors(fresh))
    return stored if calm else fresh


def _plain(report: MonitoringReport) -> dict[str, Any]:
    days = report.calendar
    whole = MonitoringStatus(
        revision=report.revision,
        start=format_time(datetime.fromtimestamp(days.start, UTC)),
        end=format_time(datetime.fromtimestamp(days.end, UTC)),
        monitors=tuple(map(_monitor, report.results)),
    )
    return without_empty(msgspec.to_builtins(whole))  # type: ignore[no-any-return]


def _monitor(said: MonitorResult) -> MonitorStatus:
    # Before anything is known of a feature no statistic suits it: the sentence says that, and there is no figure.
    figures = [figure for figure in said.figures if figure.measure]
    return MonitorStatus(
        name=said.name,
        verdict=said.verdict.value,
        message=said.sentence,
        provisional=said.provisional or None,
        figures=tuple(map(_figure, figures[:MAX_FIGURES])),
    )


def _figure(figure: Figure) -> FigureStatus:
    return FigureStatus(
        measure=figure.measure,
        verdict=figure.verdict.value,
        feature=figure.feature[:MAX_WORD] or None,
        value=_rounded(figure.value),
        bound=_rounded(figure.bound),
        threshold=_rounded(figure.threshold),
        reference=_rounded(figure.reference),
        samples=figure.samples,
        reference_samples=figure.reference_samples,
    )


def _rounded(value: float | None) -> float | None:
    """JSON has no infinity; the sentence tells of it."""
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None


def _with_review(status: Mapping[str, Any], review: ReviewStatus | None) -> Mapping[str, Any]:
    others = {key: value for key, value in status.items() if key != "review"}
    return others if review is None else {**others, "review": without_empty(msgspec.to_builtins(review))}


_Said = tuple[str, frozenset[str], bool]
"""A verdict, the features shown that have fired, and whether anything was counted: too few is not none."""


def _stored_monitors(status: Mapping[str, Any]) -> dict[str, _Said]:
    found: dict[str, _Said] = {}
    for monitor in _listed(status.get("monitors")):
        if not isinstance(monitor, Mapping):
            continue
        figures = [figure for figure in _listed(monitor.get("figures")) if isinstance(figure, Mapping)]
        fired = frozenset(
            str(figure.get("feature", "")) for figure in figures if figure.get("verdict") == MonitorVerdict.FIRED.value
        )
        counted = any(figure.get("samples") for figure in figures)
        found[str(monitor.get("name"))] = (str(monitor.get("verdict")), fired, counted)
    return found


def _same(stored: Mapping[str, _Said], fresh: Mapping[str, _Said]) -> bool:
    """Whether nobody would decide differently: the same verdicts on the same features, out of some rows or of none.

    Where more features have fired than are shown, which of them are shown does not matter.
    """
    return stored.keys() == fresh.keys() and all(
        (stored[name][0], stored[name][2]) == (verdict, counted)
        and (stored[name][1] == fired or len(stored[name][1]) == len(fired) == MAX_FIGURES)
        for name, (verdict, fired, counted) in fresh.items()
    )


def _listed(value: Any) -> Sequence[Any]:
    """The items of a status that anybody may have written."""
    return value if isinstance(value, list | tuple) else ()


# ---- the conditions


@dataclass(frozen=True, slots=True)
class _Word:
    """What a monitor said, as the status has it."""

    monitor: Monitor
    source: Source
    verdict: MonitorVerdict
    sentence: str


def _words(watch: MonitoringResult, status: Mapping[str, Any] | None) -> list[_Word]:
    """In the order of the spec; a monitor that has said nothing yet is left out."""
    monitors = [one for one in _listed((status or {}).get("monitors")) if isinstance(one, Mapping)]
    told = {str(one.get("name")): one for one in monitors}
    found = []
    for monitor in watch.monitors:
        source, one = source_of(monitor), told.get(monitor.name, {})
        verdict = next((verdict for verdict in MonitorVerdict if verdict.value == one.get("verdict")), None)
        if source is not None and verdict is not None:
            found.append(_Word(monitor, source, verdict, str(one.get("message", ""))))
    return found


def _findings(
    watch: MonitoringResult, status: Mapping[str, Any] | None, before: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    """One for each sort of question that is asked, and whether they could be answered at all."""
    if not watch.revision:
        return
    words = _words(watch, status)
    yield _monitored(watch, status, before)
    for condition in _asked(watch.monitors):
        said = [word for word in words if _CONDITIONS[type(word.source)] == condition]
        yield _finding(condition, said, reasons.WITHIN_THRESHOLDS)
    if any(monitor.action is Action.REVIEW for monitor in watch.monitors):
        said = [word for word in words if word.monitor.action is Action.REVIEW]
        yield _finding(reasons.REVIEW_REQUIRED, said, reasons.NOTHING_TO_REVIEW)


def _reviewing(watch: MonitoringResult, review: ReviewStatus) -> Finding:
    if review.reviewed:
        return Finding(reasons.REVIEW_REQUIRED, Truth.FALSE, reasons.REVIEWED, f"reviewed: {review.message}")
    answer = f"kubectl -n {watch.namespace} annotate --overwrite md {watch.name} {REVIEWED_ANNOTATION}={review.asked}"
    message = f"{review.message}; once somebody has looked into it: {answer}"
    return Finding(reasons.REVIEW_REQUIRED, Truth.TRUE, review.reason, message)


def _monitored(
    watch: MonitoringResult, status: Mapping[str, Any] | None, before: Sequence[Mapping[str, Any]]
) -> Finding:
    if watch.blind is not None:
        return Finding(reasons.MONITORED, Truth.FALSE, watch.blind.reason, watch.blind.message)
    if status is None:
        return _not_judged(reasons.MONITORED)
    stored = next((one for one in before if one.get("type") == reasons.MONITORED), None)
    if watch.report is None and stored is not None and stored.get("status") in tuple(Truth):
        # A process that has just begun knows nothing yet: what the one before said still stands.
        reason, message = str(stored.get("reason", "")), str(stored.get("message", ""))
        return Finding(reasons.MONITORED, Truth(stored["status"]), reason, message)
    return Finding(reasons.MONITORED, Truth.TRUE, reasons.WINDOWS_JUDGED, "every window is judged once it is complete")


def _not_judged(condition: str) -> Finding:
    return Finding(condition, Truth.UNKNOWN, reasons.NOT_JUDGED, "no window has been judged yet")


def _asked(monitors: Iterable[Monitor]) -> list[str]:
    asked = {_CONDITIONS[type(source_of(monitor))] for monitor in monitors}
    return [condition for condition in dict.fromkeys(_CONDITIONS.values()) if condition in asked]


def _finding(condition: str, said: Sequence[_Word], fine: str) -> Finding:
    """The gravest verdict, with the sentences of all monitors that say so."""
    if not said:
        return _not_judged(condition)
    verdict = overall(one.verdict for one in said)
    speaking = [one for one in said if one.verdict is verdict]
    reason = {
        MonitorVerdict.FIRED: _reason(speaking[0].source),
        MonitorVerdict.QUIET: fine,
        MonitorVerdict.INSUFFICIENT_DATA: reasons.INSUFFICIENT_DATA,
    }[verdict]
    sentences = "; ".join(f"{one.monitor.name}: {one.sentence}" for one in speaking)
    return Finding(condition, _TRUTHS[verdict], reason, sentences)


def _reason(source: Source) -> str:
    return _REASONS[type(source)]


# ---- events


def _events(watch: MonitoringResult, stored: Mapping[str, Any] | None) -> Iterator[Event]:
    before = _stored_monitors(stored) if stored else {}
    for said in watch.report.results if watch.report is not None else ():
        verdict = before[said.name][0] if said.name in before else ""
        if said.verdict is MonitorVerdict.FIRED and verdict != MonitorVerdict.FIRED.value:
            yield Event(EventType.WARNING, reasons.EVENT_MONITOR_FIRED, f"{said.name}: {said.sentence}")
        elif said.verdict is MonitorVerdict.QUIET and verdict == MonitorVerdict.FIRED.value:
            yield Event(EventType.NORMAL, reasons.EVENT_MONITOR_QUIET, f"{said.name}: {said.sentence}")


def _blindness(conditions: Sequence[Mapping[str, Any]], findings: Sequence[Finding]) -> Iterator[Event]:
    stood = {condition.get("type"): condition.get("status") for condition in conditions}
    for finding in findings:
        seeing = finding.type == reasons.MONITORED and stood.get(finding.type) == Truth.TRUE
        if seeing and finding.status is Truth.FALSE:
            yield Event(EventType.WARNING, reasons.EVENT_MONITORING_BLIND, finding.message)


def _answers(asked: ReviewStatus | None, review: ReviewStatus | None, answer: str) -> Iterator[Event]:
    """Once for each question, and once for its answer."""
    if asked is not None and not asked.reviewed and is_answer(answer, asked):
        yield Event(EventType.NORMAL, reasons.EVENT_REVIEWED, f"{asked.asked}: {asked.message}")
    if review is not None and not review.reviewed and (asked is None or asked.asked != review.asked):
        yield Event(EventType.WARNING, reasons.EVENT_REVIEW_REQUIRED, f"{review.asked}: {review.message}")

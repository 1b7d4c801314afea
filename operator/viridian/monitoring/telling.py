"""What a pass tells of the monitors: conditions, the status, and events where a verdict has changed.

At rest nothing is written: as long as the verdicts stay the same, the figures and sentences that were written with
them stay as well. Newer figures are in the operator's metrics.
"""

from __future__ import annotations

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
from viridian.api.names import REVIEWED_ANNOTATION
from viridian.api.schema import MAX_WORD
from viridian.judgement.figures import Figure, Verdict, overall
from viridian.monitoring.report import Report, Said
from viridian.monitoring.review import is_answer, next_review, stored_review
from viridian.plan.conditions import Finding, Truth, conditions_in, stamp, transition
from viridian.plan.plan import Event, EventType, Plan

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
    Verdict.FIRED: Truth.TRUE,
    Verdict.QUIET: Truth.FALSE,
    Verdict.INSUFFICIENT_DATA: Truth.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Blind:
    """Why the newest window was not judged: a reason of `viridian.api.reasons`, and a sentence for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the monitors made of this pass."""

    monitors: tuple[Monitor, ...]
    revision: str
    """The champion's; empty while there is none."""
    report: Report | None = None
    """The newest that there is."""
    blind: Blind | None = None
    """Why it is not of the newest window, or why there is none."""
    look: datetime | None = None
    """When there is more to see."""
    name: str = ""
    namespace: str = ""
    reviewed: str = ""
    """What a person says to have looked into: the time in the message of ReviewRequired."""


def with_watch(plan: Plan, watch: Watch | None, before: Mapping[str, Any], generation: int, now: datetime) -> Plan:
    """The plan, that also tells what the monitors say; `before` is the status as it was read."""
    if watch is None or plan.status is None:
        return plan
    told = before.get("monitoring") if watch.monitors else None
    stored = told if isinstance(told, Mapping) and told.get("revision") == watch.revision else None
    status, calm = _status(watch, stored)
    conditions = conditions_in(before.get("conditions"))
    findings = list(_findings(watch, conditions if stored else ()))
    if calm:
        findings = [_as_before(finding, conditions) for finding in findings]
    asked = stored_review(stored)
    review = next_review(asked, watch.report, watch.reviewed, _reason)
    if status is not None:
        status = _with_review(status, review)
    if review is not None:
        findings = [_reviewing(watch, review) if one.type == reasons.REVIEW_REQUIRED else one for one in findings]
    known = transition(findings, before=conditions, generation=generation, now=now)
    others = plan.status.get("conditions") or ()
    wakes = [wake for wake in (plan.wake, watch.look) if wake is not None]
    return replace(
        plan,
        status={**plan.status, **({"monitoring": status} if status else {}), "conditions": [*others, *known]},
        news=(*plan.news, *_events(watch, stored, conditions, findings), *_answers(asked, review, watch.reviewed)),
        wake=min(wakes, default=None),
    )


# ---- the status


def _status(watch: Watch, stored: Mapping[str, Any] | None) -> tuple[Mapping[str, Any] | None, bool]:
    """The next `status.monitoring`, and whether it says what was said before."""
    if watch.report is None:
        return stored, True
    fresh = _plain(watch.report)
    if stored is not None and _same(_stored_monitors(stored), _stored_monitors(fresh)):
        return stored, True
    return fresh, False


def _plain(report: Report) -> dict[str, Any]:
    days = report.calendar
    whole = MonitoringStatus(
        revision=report.revision,
        start=stamp(datetime.fromtimestamp(days.start, UTC)),
        end=stamp(datetime.fromtimestamp(days.end, UTC)),
        monitors=tuple(map(_monitor, report.said)),
    )
    return _pruned(msgspec.to_builtins(whole))  # type: ignore[no-any-return]


def _monitor(said: Said) -> MonitorStatus:
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


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _pruned(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, "", [], {})}
    return [_pruned(inner) for inner in value] if isinstance(value, list | tuple) else value


def _with_review(status: Mapping[str, Any], review: ReviewStatus | None) -> Mapping[str, Any]:
    others = {key: value for key, value in status.items() if key != "review"}
    return others if review is None else {**others, "review": _pruned(msgspec.to_builtins(review))}


_Said = tuple[str, frozenset[str], bool]
"""A verdict, the features shown that have fired, and whether anything was counted: too few is not none."""


def _stored_monitors(status: Mapping[str, Any]) -> dict[str, _Said]:
    found: dict[str, _Said] = {}
    for monitor in _listed(status.get("monitors")):
        if not isinstance(monitor, Mapping):
            continue
        figures = [figure for figure in _listed(monitor.get("figures")) if isinstance(figure, Mapping)]
        fired = frozenset(
            str(figure.get("feature", "")) for figure in figures if figure.get("verdict") == Verdict.FIRED.value
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


def _findings(watch: Watch, before: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """One for each sort of question that is asked, and whether they could be answered at all.

    While nothing new is known, what was said before still stands.
    """
    if not watch.revision:
        return
    if watch.report is None:
        yield from _unseen(watch, before)
        return
    yield _monitored(watch)
    for condition in _asked(watch.monitors):
        said = [one for one in watch.report.said if _CONDITIONS[type(one.source)] == condition]
        yield _finding(condition, said, reasons.WITHIN_THRESHOLDS)
    if any(monitor.action is Action.REVIEW for monitor in watch.monitors):
        said = [one for one in watch.report.said if one.action is Action.REVIEW]
        yield _finding(reasons.REVIEW_REQUIRED, said, reasons.NOTHING_TO_REVIEW)


def _reviewing(watch: Watch, review: ReviewStatus) -> Finding:
    if review.reviewed:
        return Finding(reasons.REVIEW_REQUIRED, Truth.FALSE, reasons.REVIEWED, f"reviewed: {review.message}")
    answer = f"kubectl -n {watch.namespace} annotate --overwrite md {watch.name} {REVIEWED_ANNOTATION}={review.asked}"
    message = f"{review.message}; once somebody has looked into it: {answer}"
    return Finding(reasons.REVIEW_REQUIRED, Truth.TRUE, review.reason, message)


def _monitored(watch: Watch) -> Finding:
    if watch.blind is not None:
        return Finding(reasons.MONITORED, Truth.FALSE, watch.blind.reason, watch.blind.message)
    return Finding(reasons.MONITORED, Truth.TRUE, reasons.WINDOWS_JUDGED, "every window is judged once it is complete")


def _asked(monitors: Iterable[Monitor]) -> list[str]:
    asked = {_CONDITIONS[type(source_of(monitor))] for monitor in monitors}
    return [condition for condition in dict.fromkeys(_CONDITIONS.values()) if condition in asked]


def _unseen(watch: Watch, before: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    known = {condition.get("type"): condition for condition in before}
    review = any(monitor.action is Action.REVIEW for monitor in watch.monitors)
    wanted = [reasons.MONITORED, *_asked(watch.monitors), *([reasons.REVIEW_REQUIRED] if review else [])]
    for condition in wanted:
        stored = known.get(condition)
        if condition == reasons.MONITORED and watch.blind is not None:
            yield _monitored(watch)
        elif stored is not None and stored.get("status") in tuple(Truth):
            status, reason = Truth(stored["status"]), str(stored.get("reason", ""))
            yield Finding(condition, status, reason, str(stored.get("message", "")))
        else:
            yield Finding(condition, Truth.UNKNOWN, reasons.NOT_JUDGED, "no window has been judged yet")


def _finding(condition: str, said: Sequence[Said], fine: str) -> Finding:
    """The gravest verdict, with the sentences of all monitors that say so."""
    verdict = overall(one.verdict for one in said)
    speaking = [one for one in said if one.verdict is verdict]
    reason = {
        Verdict.FIRED: _reason(speaking[0].source),
        Verdict.QUIET: fine,
        Verdict.INSUFFICIENT_DATA: reasons.INSUFFICIENT_DATA,
    }[verdict]
    sentences = "; ".join(f"{one.name}: {one.sentence}" for one in speaking)
    return Finding(condition, _TRUTHS[verdict], reason, sentences)


def _reason(source: Source) -> str:
    return _REASONS[type(source)]


def _as_before(finding: Finding, conditions: Sequence[Mapping[str, Any]]) -> Finding:
    """The sentence that stands there already, where it says the same with older numbers."""
    stored = next((condition for condition in conditions if condition.get("type") == finding.type), None)
    if stored is None or (stored.get("status"), stored.get("reason")) != (finding.status, finding.reason):
        return finding
    return replace(finding, message=str(stored.get("message", "")))


# ---- events


def _events(
    watch: Watch,
    stored: Mapping[str, Any] | None,
    conditions: Sequence[Mapping[str, Any]],
    findings: Sequence[Finding],
) -> Iterator[Event]:
    if watch.report is not None:
        before = _stored_monitors(stored) if stored else {}
        for said in watch.report.said:
            verdict = before[said.name][0] if said.name in before else ""
            if said.verdict is Verdict.FIRED and verdict != Verdict.FIRED.value:
                yield Event(EventType.WARNING, reasons.EVENT_MONITOR_FIRED, f"{said.name}: {said.sentence}")
            elif said.verdict is Verdict.QUIET and verdict == Verdict.FIRED.value:
                yield Event(EventType.NORMAL, reasons.EVENT_MONITOR_QUIET, f"{said.name}: {said.sentence}")
    stood = {condition.get("type"): condition.get("status") for condition in conditions}
    for finding in findings:
        before_it = stood.get(finding.type)
        if finding.type == reasons.MONITORED and finding.status is Truth.FALSE and before_it == Truth.TRUE:
            yield Event(EventType.WARNING, reasons.EVENT_MONITORING_BLIND, finding.message)


def _answers(asked: ReviewStatus | None, review: ReviewStatus | None, answer: str) -> Iterator[Event]:
    """Once for each question, and once for its answer."""
    if asked is not None and not asked.reviewed and is_answer(answer, asked):
        yield Event(EventType.NORMAL, reasons.EVENT_REVIEWED, f"{asked.asked}: {asked.message}")
    if review is not None and not review.reviewed and (asked is None or asked.asked != review.asked):
        yield Event(EventType.WARNING, reasons.EVENT_REVIEW_REQUIRED, f"{review.asked}: {review.message}")

"""The whole status of a RetrainPolicy: a cache of the world, for people and for tools that read kstatus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from viridian.api import reasons
from viridian.api.retrainpolicy import ActiveRun, RetrainPolicyStatus, TriggerStatus
from viridian.plan.conditions import Finding, Truth, moment, stamp, transition
from viridian.plan.plan import Event, EventType
from viridian.retraining import triggers
from viridian.retraining.causes import Cause
from viridian.retraining.checks import Problem
from viridian.retraining.findings import findings
from viridian.retraining.objects import Object, entries, mapping, text
from viridian.retraining.schedule import Timetable
from viridian.retraining.situation import Situation
from viridian.retraining.snapshot import Facts

NEWEST = 10


def status(
    situation: Situation, problem: Problem | None, active: ActiveRun | None, answered: Sequence[Cause]
) -> dict[str, Any]:
    """The next status, plain; fields without a value are left out."""
    runs = tuple(run.finished for run in situation.finished if run.finished is not None)
    fired = tuple(_trigger(situation, name, answered) for name in situation.tables)
    coming = [trigger.next for trigger in fired if trigger.next]
    whole = RetrainPolicyStatus(
        observed_generation=situation.facts.generation,
        active_run=active,
        last_run=runs[0] if runs else None,
        runs=runs[:NEWEST],
        triggers=fired,
        next_scheduled=min(coming, default=None),
    )
    plain: dict[str, Any] = _prune(msgspec.to_builtins(whole))
    plain["conditions"] = transition(
        findings(situation, problem, active),
        before=entries(situation.facts.status, "conditions"),
        generation=situation.facts.generation,
        now=situation.now,
    )
    return plain


def invalid_status(facts: Facts, now: datetime) -> dict[str, Any]:
    """The status of an object that does not fit the present schema: what was known stays, and why nothing goes on."""
    message = f"the stored object does not fit the schema: {facts.invalid}"
    found = [
        Finding(reasons.READY, Truth.FALSE, reasons.INVALID_SPEC, message),
        Finding(reasons.STALLED, Truth.TRUE, reasons.INVALID_SPEC, message),
    ]
    before = entries(facts.status, "conditions")
    return {
        **facts.status,
        "observedGeneration": facts.generation,
        "conditions": transition(found, before=before, generation=facts.generation, now=now),
    }


def _trigger(situation: Situation, name: str, answered: Sequence[Cause]) -> TriggerStatus:
    runs = [*situation.finished, *([situation.active] if situation.active else [])]
    times = [cause.at for cause in answered if cause.trigger == name and cause.at is not None]
    known = triggers.last_fired(situation.facts, runs, name)
    fired = max([*times, *([known] if known else [])], default=None)
    table = situation.tables[name]
    coming = table.next(situation.now) if isinstance(table, Timetable) and not situation.paused else None
    return TriggerStatus(name=name, last_fired=stamp(fired) if fired else None, next=stamp(coming) if coming else None)


def _prune(value: Any) -> Any:
    """Without the fields that say nothing."""
    if isinstance(value, dict):
        kept = {key: _prune(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner is not None and inner not in ("", [], {})}
    return [_prune(inner) for inner in value] if isinstance(value, list | tuple) else value


def news(before: Object, after: Mapping[str, Any]) -> tuple[Event, ...]:
    """What is new in the status, told once. A status that was deleted is no news."""
    if not before.get("observedGeneration"):
        return ()
    return (*_started(before, after), *_ended(mapping(before, "lastRun"), mapping(after, "lastRun")))


def _started(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    job = text(after, "activeRun", "job")
    if job and job != text(before, "activeRun", "job"):
        caused = ", ".join(after["activeRun"].get("reasons", ()))
        message = f"run {after['activeRun']['id']} trains as Job {job}: {caused}"
        yield Event(EventType.NORMAL, reasons.EVENT_RUN_STARTED, message)


_TOLD = {
    reasons.HANDED_OVER: (EventType.NORMAL, reasons.EVENT_GATE_PASSED),
    reasons.REJECTED: (EventType.WARNING, reasons.EVENT_GATE_FAILED),
    reasons.DATA_QUALITY_FAILED: (EventType.WARNING, reasons.EVENT_DATA_QUALITY_FAILED),
    reasons.SKIPPED: (EventType.NORMAL, reasons.EVENT_RUN_SKIPPED),
}


def _ended(before: Object, after: Object) -> Iterator[Event]:
    """A run that ended after the one that was told of last; older ones that come into sight again are no news."""
    run, at = text(after, "id"), moment(text(after, "finishedAt"))
    told_until = moment(text(before, "finishedAt"))
    if not run or run == text(before, "id") or (told_until and at and at < told_until):
        return
    kind, reason = _TOLD.get(text(after, "outcome"), (EventType.WARNING, reasons.EVENT_RUN_FAILED))
    yield Event(kind, reason, f"run {run}: {text(after, 'message')}")
    if text(after, "outcome") == reasons.HANDED_OVER:
        message = f"version {text(after, 'version')} has the alias that the ModelDeployment follows"
        yield Event(EventType.NORMAL, reasons.EVENT_HANDED_OVER, message)

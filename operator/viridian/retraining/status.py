"""The whole status of a RetrainPolicy: a cache of the world, for people and for tools that read kstatus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.automation import Recommendation
from viridian.api.retrainpolicy_status import ActiveRun, RetrainPolicyStatus
from viridian.api.workflow import WorkflowStatus
from viridian.core.conditions import Finding, Truth, transition
from viridian.core.kube import without_empty
from viridian.core.lookup import Object, entries, text
from viridian.core.plan import Event, EventType
from viridian.retraining.advice_status import advice_of, advice_status
from viridian.retraining.budget import status_of
from viridian.retraining.checks import Problem
from viridian.retraining.components import component_statuses
from viridian.retraining.conditions import findings
from viridian.retraining.input import PolicyFacts
from viridian.retraining.runs import read_runs
from viridian.retraining.stage_status import stage_statuses
from viridian.retraining.stages.stage_table import planned_stages
from viridian.retraining.state import RetrainingState, newest_first
from viridian.retraining.trigger_status import trigger_statuses, unnamed_statuses

NEWEST = 10


def status(state: RetrainingState, problem: Problem | None, active: ActiveRun | None) -> dict[str, Any]:
    """The next status, plain; fields without a value are left out."""
    runs = tuple(run.finished for run in state.history if run.finished is not None)
    triggers = tuple(trigger_statuses(state))
    coming = [trigger.next for trigger in triggers if trigger.next]
    whole = RetrainPolicyStatus(
        observed_generation=state.facts.generation,
        active_run=active,
        last_run=runs[0] if runs else None,
        stages=tuple(stage_statuses(state, active)),
        runs=runs[:NEWEST],
        triggers=triggers,
        unnamed_triggers=tuple(unnamed_statuses(state)),
        next_scheduled=min(coming, default=None),
        workflow=_workflow(state.facts),
        recommended=_recommended(state),
        advice=advice_status(advice_of(state.facts)),
        budget=status_of(state.spending, len(state.hand_overs)),
        quality=state.facts.quality,
        components=tuple(component_statuses(state.spec, state.facts)),
    )
    return _with_conditions(whole, findings(state, problem, active), state.facts, state.now)


def invalid_status(facts: PolicyFacts, now: datetime) -> dict[str, Any]:
    """The status of an object that does not fit the present schema: what runs became, and why nothing goes on."""
    message = f"the stored object does not fit the schema: {facts.invalid}"
    found = [
        Finding(reasons.READY, Truth.FALSE, reasons.INVALID_SPEC, message),
        Finding(reasons.STALLED, Truth.TRUE, reasons.INVALID_SPEC, message),
    ]
    ended = tuple(run.finished for run in newest_first(read_runs(facts)) if run.finished is not None)
    whole = RetrainPolicyStatus(
        observed_generation=facts.generation, last_run=ended[0] if ended else None, runs=ended[:NEWEST]
    )
    return _with_conditions(whole, found, facts, now)


def _workflow(facts: PolicyFacts) -> WorkflowStatus | None:
    found = facts.workflow
    if found is None:
        return None
    return WorkflowStatus(
        name=found.workflow.value,
        defaults={path: f"{one}" for path, one in found.defaults.items()},
        missing=dict(found.missing),
    )


def _with_conditions(
    whole: RetrainPolicyStatus, found: Iterable[Finding], facts: PolicyFacts, now: datetime
) -> dict[str, Any]:
    before = entries(facts.status, "conditions")
    conditions = transition(found, before=before, generation=facts.generation, now=now)
    return {**without_empty(msgspec.to_builtins(whole)), "conditions": conditions}


def _recommended(state: RetrainingState) -> Recommendation | None:
    proposal = state.proposal
    if proposal is None or proposal.begins:
        return None
    stages = tuple(planned_stages(state.spec))
    return Recommendation(run=proposal.run.id, reasons=proposal.run.reasons[:20], stages=stages)


_RESUMES_FROM: Final = (reasons.DATA_QUALITY_FAILED, reasons.MONITOR_FIRED, reasons.CIRCUIT_OPEN)


def events(before: Object, after: Mapping[str, Any]) -> Iterator[Event]:
    """What keeps the policy from going on and did not before; about bad data there is an event of its run already."""
    known = {(text(one, "type"), text(one, "reason")) for one in entries(before, "conditions")}
    for condition in after["conditions"]:
        kind, reason, message = condition["type"], condition["reason"], condition["message"]
        if (kind, reason) in known or reason == reasons.DATA_QUALITY_FAILED:
            continue
        if (kind, reason) == (reasons.PAUSED_CONDITION, reasons.NOT_PAUSED):
            ended = [cause for cause in _RESUMES_FROM if (reasons.PAUSED_CONDITION, cause) in known]
            yield from (
                Event(EventType.NORMAL, reasons.EVENT_RESUMED, f"{cause} has ended: {message}") for cause in ended
            )
        if kind == reasons.STALLED:
            yield Event(EventType.WARNING, reasons.EVENT_STALLED, f"{reason}: {message}")
        elif (kind, reason) == (reasons.DATA_QUALITY, reasons.MONITOR_FIRED):
            yield Event(EventType.WARNING, reasons.EVENT_DATA_QUALITY_FAILED, message)
        elif kind == reasons.REVIEW_REQUIRED:
            yield Event(EventType.NORMAL, reasons.EVENT_REVIEW_REQUIRED, message)
        elif kind == reasons.BUDGET_EXCEEDED:
            yield Event(EventType.WARNING, reasons.EVENT_BUDGET_EXCEEDED, message)
        elif kind == reasons.RECONCILING and reason == reasons.APPLY_UNAVAILABLE:
            yield Event(EventType.WARNING, reasons.EVENT_APPLY_UNAVAILABLE, message)

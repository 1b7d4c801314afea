"""What the monitors of a ModelDeployment write: their part of its status, conditions, events, and what is remembered.

Where the verdicts stay the same, nothing is written: the figures and sentences that were written with them stay as
well. The operator's metrics have the newest figures. Monitors that a trigger counts are the exception (`firing_rows`).
"""

from __future__ import annotations

from datetime import datetime

from viridian.core.conditions import conditions_in, transition
from viridian.core.plan import Plan
from viridian.monitoring.conditions import conditions_of
from viridian.monitoring.events import events_of_results, events_of_review, events_of_sight
from viridian.monitoring.firing_rows import with_rows
from viridian.monitoring.freshness import blindness
from viridian.monitoring.input import MonitoringInput
from viridian.monitoring.periodic_review import next_due, review_events, review_findings
from viridian.monitoring.record import clear, remember, remembered
from viridian.monitoring.review import next_review, stored_review
from viridian.monitoring.settling import settled
from viridian.monitoring.status import next_status


def decide(inputs: MonitoringInput, now: datetime) -> Plan:
    """What to write about the monitors of this ModelDeployment, now."""
    if inputs.spec is None:
        return Plan(wake=inputs.next_pass)
    stored = remembered(inputs)
    report = settled(inputs.report, stored) if inputs.report is not None else None
    before = stored_review(stored)
    review = next_review(before, report, inputs.reviewed)
    status = with_rows(next_status(stored, report, review), stored, report, inputs.counted)
    known = conditions_in(inputs.status.get("conditions"))
    findings = (*conditions_of(inputs, status, review, now), *review_findings(inputs, now))
    events = (*events_of_results(report, stored), *events_of_review(before, review, inputs.reviewed))
    writes = tuple(remember(inputs, stored, status, events))
    conditions = transition(findings, before=known, generation=inputs.generation, now=now)
    return Plan(
        actions=(*writes, *clear(inputs)),
        status={**({"monitoring": status} if status else {}), **({"conditions": conditions} if conditions else {})},
        news=(
            *(() if _has_record(inputs) else events),
            *events_of_sight(known, findings),
            *review_events(known, findings),
        ),
        wake=_wake(inputs, now),
        summary="; ".join(f"{finding.type}={finding.status}" for finding in findings),
    )


def _wake(inputs: MonitoringInput, now: datetime) -> datetime | None:
    due = next_due(inputs, now)
    blind = blindness(inputs, now)
    coming = (due if due is not None and due > now else None, blind.stale_at if blind is not None else None)
    return min((at for at in (inputs.next_pass, *coming) if at is not None), default=None)


def _has_record(inputs: MonitoringInput) -> bool:
    """Whether events are recorded with the write of the champion's record, and not with the status."""
    return inputs.champion is not None and bool(inputs.champion.record)

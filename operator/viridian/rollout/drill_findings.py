"""What the status shows of drills of the rollback: the newest one, and whether a rollback counts as tested."""

from __future__ import annotations

from collections.abc import Iterable

from viridian.api import modeldeployment_status as api
from viridian.api import reasons
from viridian.api.drill_spec import DrillMode
from viridian.core.conditions import Finding, Truth
from viridian.core.times import format_time
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.drill_schedule import overdue_since
from viridian.rollout.records import time_text
from viridian.rollout.state import RolloutState, fallback_revision
from viridian.rollout.traffic.drill_record import RUNNING, DrillOutcome, DrillResult, ready_seconds
from viridian.rollout.traffic.record import Traffic


def rollback_untested(state: RolloutState, decision: RolloutDecision) -> Iterable[Finding]:
    """With a schedule of drills only, and where there is a fallback: a rollback that cannot be is not to be tested."""
    traffic = decision.traffic
    if state.spec.drill is None or traffic is None or fallback_revision(state, traffic) is None:
        return
    type_, last, missed = reasons.ROLLBACK_UNTESTED, traffic.drilled, overdue_since(state, traffic)
    if last is not None and last.outcome == DrillOutcome.FAILED:
        message = f"the drill of the rollback to {state.version_of(last.revision)} failed: {last.message}"
        yield Finding(type_, Truth.TRUE, reasons.DRILL_FAILED, message)
    elif missed is not None:
        why = f"; the last one ended without a result: {last.message}" if last is not None and last.message else ""
        message = f"no drill of the rollback has passed since {format_time(missed)}, when one was planned{why}"
        yield Finding(type_, Truth.TRUE, reasons.DRILL_OVERDUE, message)
    elif last is not None and last.passed_at is not None:
        message = f"a drill of the rollback has passed at {format_time(last.passed_at)}"
        yield Finding(type_, Truth.FALSE, reasons.DRILL_PASSED, message)


def newest_drill(traffic: Traffic | None) -> api.DrillStatus | None:
    """The drill that is under way, or else the newest one."""
    if traffic is None:
        return None
    last, drill = traffic.drilled, traffic.drill
    passed_at = time_text(last.passed_at) or None if last is not None else None
    if drill is not None:
        return api.DrillStatus(
            revision=drill.revision,
            mode=_mode(drill.copies),
            outcome=RUNNING,
            started_at=time_text(drill.since) or None,
            seconds_until_ready=ready_seconds(drill),
            passed_at=passed_at,
        )
    return _ended(last, passed_at) if last is not None else None


def _ended(last: DrillResult, passed_at: str | None) -> api.DrillStatus:
    return api.DrillStatus(
        revision=last.revision,
        mode=_mode(last.copies),
        outcome=last.outcome,
        ended_at=time_text(last.at) or None,
        seconds_until_ready=last.ready_seconds,
        seconds=last.seconds,
        requests=last.requests,
        errors=last.errors,
        failed_share=round(last.errors / last.requests, 6) if last.requests else None,
        message=last.message or None,
        passed_at=passed_at,
    )


def _mode(copies: int) -> str:
    return DrillMode.MIRRORED if copies else DrillMode.LIVE

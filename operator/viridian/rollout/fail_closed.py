"""The way back where no decision can be made: a challenger with traffic that nobody can judge loses it.

So does a fallback that serves in a drill, without being rejected.

It reads as little as it can: the record of the traffic, and whether the champion serves. So it
works where the ordinary decision fails by a mistake in it, or by something in the world that it does not understand.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from viridian.api import reasons
from viridian.api.samples import Idle
from viridian.core.intent import unless_changed, with_intent_hash
from viridian.core.plan import Apply, CloseConnections, Event, EventType, Plan
from viridian.rollout.input import RolloutInput, targets
from viridian.rollout.joining import joining
from viridian.rollout.traffic.drill_record import DrillOutcome, DrillResult
from viridian.rollout.traffic.record import Reverted, Traffic
from viridian.rollout.way_back_times import DRAIN


def give_back(inputs: RolloutInput, now: datetime, why: str) -> Plan | None:
    """Take the traffic from the challenger and remember why; None where it has none, or where nobody else serves."""
    traffic, live = inputs.traffic, inputs.traffic_objects.get(inputs.decisive)
    if traffic is None or live is None or traffic.share <= 0:
        return None
    champion = inputs.slots.get(traffic.champion)
    if champion is None or not champion.serves:
        return None
    after, message = _after(traffic, now, f"the operator cannot judge it: {why}. Its log names the mistake")
    provider, port = inputs.provider, inputs.spec.server.port if inputs.spec is not None else None
    port = port or provider.port(inputs.name, inputs.traffic_objects)
    if port is None:
        return None
    decisive = provider.objects(inputs, port, after)[0]
    event = Event(EventType.WARNING, reasons.EVENT_ROLLED_BACK, message)
    pods = targets(inputs, traffic.champion.other)
    switch = unless_changed(Apply(with_intent_hash(decisive), tells=(event,), urgent=True), live)
    idle = Idle.CLOSE if provider.keeps_connections else Idle.KEEP
    closing = CloseConnections(pods, int(DRAIN.total_seconds()), idle, forward=True)
    routes = [replace(write, urgent=True) for write in joining(inputs, port, after, now).writes]
    return Plan(
        actions=(switch, *routes, closing) if pods else (switch, *routes),
        summary=f"{reasons.DECISION_FAILED}: {message}",
    )


def _after(traffic: Traffic, now: datetime, why: str) -> tuple[Traffic, str]:
    """The traffic of the champion alone, and the sentence about who has lost it."""
    if traffic.drill is not None:
        drill, before = traffic.drill, traffic.drilled or DrillResult("", "")
        failed = DrillResult(
            drill.revision,
            DrillOutcome.FAILED,
            entered=drill.entered,
            at=now,
            message=why,
            passed_at=before.passed_at,
            order=drill.order or before.order,
        )
        return replace(traffic, drill=None, drilled=failed), f"the drill of revision {drill.revision} has failed: {why}"
    revision = traffic.trial.revision if traffic.trial is not None else ""
    message = f"{why}; once that is fixed, annotate viridian.dev/retry={revision}"
    lost = Reverted(revision, reasons.REJECTED, reasons.DECISION_FAILED, message, now)
    return replace(traffic, trial=None, reverted=lost), f"revision {revision} is rejected: {message}"

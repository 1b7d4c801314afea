"""The way back where no decision can be made: a challenger with traffic that nobody can judge loses it.

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
from viridian.rollout.slots import DRAIN
from viridian.rollout.traffic.record import Reverted


def give_back(inputs: RolloutInput, now: datetime, why: str) -> Plan | None:
    """Take the traffic from the challenger and remember why; None where it has none, or where nobody else serves."""
    traffic, live = inputs.traffic, inputs.traffic_objects.get(inputs.decisive)
    if traffic is None or live is None or traffic.trial is None or traffic.trial.weight <= 0:
        return None
    champion = inputs.slots.get(traffic.champion)
    if champion is None or not champion.serves:
        return None
    revision = traffic.trial.revision
    message = (
        f"the operator cannot judge it: {why}. Its log names the mistake; once that is fixed, annotate "
        f"viridian.dev/retry={revision}"
    )
    lost = Reverted(revision, reasons.REJECTED, reasons.DECISION_FAILED, message, now)
    provider, port = inputs.provider, inputs.spec.server.port if inputs.spec is not None else None
    port = port or provider.port(inputs.name, inputs.traffic_objects)
    if port is None:
        return None
    decisive = provider.objects(inputs, port, replace(traffic, trial=None, reverted=lost))[0]
    event = Event(EventType.WARNING, reasons.EVENT_ROLLED_BACK, f"revision {revision} is rejected: {message}")
    pods = targets(inputs, traffic.champion.other)
    switch = unless_changed(Apply(with_intent_hash(decisive), tells=(event,), urgent=True), live)
    closing = CloseConnections(
        pods, int(DRAIN.total_seconds()), Idle.CLOSE if provider.keeps_connections else Idle.KEEP
    )
    return Plan(
        actions=(switch, closing) if pods else (switch,),
        summary=f"{reasons.DECISION_FAILED}: {message}",
    )

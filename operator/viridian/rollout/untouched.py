"""Where nothing can be decided: the object says why, and nothing is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from viridian.api import reasons
from viridian.api.names import ROUTE_ANNOTATION
from viridian.core.conditions import Finding, Truth, conditions_in, transition
from viridian.core.lookup import text
from viridian.core.plan import Plan
from viridian.rollout.events import events_of_status
from viridian.rollout.input import GATEWAY_NEEDED, RolloutInput
from viridian.rollout.traffic.joined_rule import JoinedRule
from viridian.rollout.traffic.service import SERVICE


def out_of_reach(inputs: RolloutInput, route: str) -> str:
    """The sentence about a route that splits the traffic, and that the operator may neither read nor write any more."""
    if text(inputs.status, "route", "name") != route:
        return f"the HTTPRoute {route} splits the traffic. {GATEWAY_NEEDED}"
    rule = JoinedRule(route, text(inputs.status, "route", "rule"))
    how = f"kubectl -n {inputs.namespace} annotate service {inputs.name} {ROUTE_ANNOTATION}-"
    return (
        f"{rule.shown} leads to the slots of this ModelDeployment, and nothing moves its traffic or gives it back. "
        f"{GATEWAY_NEEDED}. To go on without, and before this ModelDeployment is deleted: lead the rule to the Service "
        f"{inputs.name}, which leads to the champion, and then: {how}"
    )


def untouched(inputs: RolloutInput, now: datetime, message: str, reason: str) -> Plan:
    """The plan where nothing can be decided: say so, touch nothing, look again when something changes."""
    before = conditions_in(inputs.status.get("conditions"))
    known = {c.get("type") for c in before}
    findings = []
    if (ready := _users_are_served(inputs, before, message)) is not None:
        findings.append(ready)
    elif reasons.READY not in known:
        findings.append(Finding(reasons.READY, Truth.FALSE, reason, message))
    if reason == reasons.GATEWAY_API_OFF and reasons.ROUTE_JOINED in known:
        findings.append(Finding(reasons.ROUTE_JOINED, Truth.UNKNOWN, reason, message))
    findings.append(Finding(reasons.STALLED, Truth.TRUE, reason, message))
    changed = transition(findings, before=before, generation=inputs.generation, now=now)
    replaced = {reasons.RECONCILING, *(finding.type for finding in findings)}
    others = [c for c in before if c.get("type") not in replaced]
    kept = {key: value for key, value in inputs.status.items() if key != "conditions"}
    next_status = {**kept, "observedGeneration": inputs.generation, "conditions": [*others, *changed]}
    return Plan(
        status=next_status,
        news=events_of_status(inputs.status, next_status),
        wake=now + timedelta(minutes=1),
        summary=f"{reason}: {message}",
    )


def _users_are_served(inputs: RolloutInput, before: Sequence[Mapping[str, Any]], why: str) -> Finding | None:
    """Ready, where it is not as the object says: pods come and go whether or not anything can be decided.

    None where it stays as it is, and where it is not known who serves.
    """
    traffic = SERVICE.read(inputs.name, inputs.traffic_objects)
    if traffic is None:
        return None
    slots = [inputs.slots.get(slot) for slot in traffic.receiving]
    if any(slot is not None and slot.serves for slot in slots):
        stored = next((c for c in before if c.get("type") == reasons.READY), None)
        message = f"{traffic.revision} serves, and nothing else is done: {why}"
        is_known = stored is not None and stored.get("reason") != reasons.CHAMPION_UNAVAILABLE
        return None if is_known else Finding(reasons.READY, Truth.TRUE, reasons.SERVING, message)
    if all(slot is not None and slot.replicas == 0 for slot in slots):
        return None
    message = f"no pod of {traffic.revision} is ready, and nothing is done about it: {why}"
    return Finding(reasons.READY, Truth.FALSE, reasons.CHAMPION_UNAVAILABLE, message)

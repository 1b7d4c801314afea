"""What the conditions of a ModelDeployment say for the first time, as Events; what a move does is told by its write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from viridian.api import reasons
from viridian.core.conditions import conditions_in
from viridian.core.plan import Event, EventType

_OF_READY: Final = {
    reasons.AWAITING_APPROVAL: (EventType.NORMAL, reasons.EVENT_AWAITING_APPROVAL),
    reasons.BREACHED: (EventType.WARNING, reasons.EVENT_BREACHED),
    reasons.NO_DATA: (EventType.WARNING, reasons.EVENT_HELD),
    reasons.PROVIDER_ERROR: (EventType.WARNING, reasons.EVENT_HELD),
}
"""Reasons of Ready for which a challenger goes no further."""

Condition = Mapping[str, Any]


def news(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Event, ...]:
    """The events of one status after another: of each condition with a new status or reason that people should know."""
    known = {_state(condition) for condition in conditions_in(before.get("conditions"))}
    conditions = conditions_in(after.get("conditions"))
    return tuple(_told([condition for condition in conditions if _state(condition) not in known], conditions))


def _state(condition: Condition) -> tuple[str, str, str]:
    kind, status, reason = (str(condition.get(part, "")) for part in ("type", "status", "reason"))
    return kind, status, reason


def _told(fresh: list[Condition], conditions: list[Condition]) -> Iterator[Event]:
    about_the_model = {reason for kind, _, reason in map(_state, conditions) if kind == reasons.MODEL_RESOLVED}
    awaited = {reason for kind, _, reason in map(_state, conditions) if kind == reasons.RECONCILING}
    for condition in fresh:
        kind, status, reason = _state(condition)
        message = str(condition.get("message", ""))
        if kind == reasons.READY and reason in _OF_READY:
            yield Event(*_OF_READY[reason], message)
        elif kind == reasons.MODEL_RESOLVED and status != "True":
            # On the way to a first version there is no model yet, and nothing is wrong.
            of = EventType.NORMAL if reason in awaited else EventType.WARNING
            yield Event(of, reasons.EVENT_MODEL_UNRESOLVED, f"{reason}: {message}")
        elif kind == reasons.STALLED and reason not in about_the_model:
            yield Event(EventType.WARNING, reasons.EVENT_STALLED, f"{reason}: {message}")
        elif kind == reasons.RECONCILING and reason == reasons.APPLY_UNAVAILABLE:
            yield Event(EventType.WARNING, reasons.EVENT_APPLY_UNAVAILABLE, message)
        elif kind == reasons.REGISTRY_TOLD:
            yield Event(EventType.WARNING, reasons.EVENT_REGISTRY_NOT_TOLD, f"{reason}: {message}")

"""The Events of a ModelDeployment: of what a decision changes, and of what its conditions say for the first time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from viridian.api import reasons
from viridian.core.conditions import conditions_in
from viridian.core.plan import Event, EventType
from viridian.rollout.decision import Change, ChangeKind
from viridian.rollout.sentences import Names, changed

_OF_READY: Final = {
    reasons.AWAITING_APPROVAL: (EventType.NORMAL, reasons.EVENT_AWAITING_APPROVAL),
    reasons.PROMOTION_HELD: (EventType.NORMAL, reasons.EVENT_PROMOTABLE),
    reasons.AWAITING_WINDOW: (EventType.NORMAL, reasons.EVENT_PROMOTABLE),
    reasons.BREACHED: (EventType.WARNING, reasons.EVENT_BREACHED),
    reasons.CHAMPION_BREACHES_TOO: (EventType.WARNING, reasons.EVENT_HELD),
    reasons.NO_DATA: (EventType.WARNING, reasons.EVENT_HELD),
    reasons.PROVIDER_ERROR: (EventType.WARNING, reasons.EVENT_HELD),
}
"""Reasons of Ready for which a challenger goes no further."""

_OF_CHANGE: Final = {
    ChangeKind.FIRST_DEPLOYED: (EventType.NORMAL, reasons.EVENT_ROLLOUT_STARTED),
    ChangeKind.FIRST_PROMOTED: (EventType.NORMAL, reasons.EVENT_PROMOTED),
    ChangeKind.DEPLOYED: (EventType.NORMAL, reasons.EVENT_ROLLOUT_STARTED),
    ChangeKind.STEP_ENTERED: (EventType.NORMAL, reasons.EVENT_STEP_ADVANCED),
    ChangeKind.EXPERIMENT_ENDED: (EventType.NORMAL, reasons.EVENT_EXPERIMENT_ENDED),
    ChangeKind.PROMOTED: (EventType.NORMAL, reasons.EVENT_PROMOTED),
    ChangeKind.REINSTATED: (EventType.NORMAL, reasons.EVENT_REINSTATED),
    ChangeKind.REJECTED: (EventType.WARNING, reasons.EVENT_REJECTED),
    ChangeKind.ROLLED_BACK: (EventType.WARNING, reasons.EVENT_ROLLED_BACK),
    ChangeKind.SUPERSEDED: (EventType.NORMAL, reasons.EVENT_SUPERSEDED),
    ChangeKind.ADOPTED: (EventType.NORMAL, reasons.EVENT_ADOPTED),
    ChangeKind.DRILL_BEGAN: (EventType.NORMAL, reasons.EVENT_DRILL_STARTED),
    ChangeKind.COPIES_BEGAN: (EventType.NORMAL, reasons.EVENT_DRILL_STARTED),
    ChangeKind.DRILL_PASSED: (EventType.NORMAL, reasons.EVENT_DRILL_PASSED),
    ChangeKind.DRILL_FAILED: (EventType.WARNING, reasons.EVENT_DRILL_FAILED),
    ChangeKind.DRILL_ENDED: (EventType.NORMAL, reasons.EVENT_DRILL_ENDED),
}

Condition = Mapping[str, Any]


def events_of_change(names: Names, change: Change | None) -> tuple[Event, ...]:
    """Sent once the decisive write is done. A rejection that takes traffic away is a rollback to users."""
    if change is None:
        return ()
    kind, reason = _OF_CHANGE[change.kind]
    if change.kind is ChangeKind.REJECTED and change.exposed:
        reason = reasons.EVENT_ROLLED_BACK
    return (Event(kind, reason, changed(names, change)),)


def events_of_status(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Event, ...]:
    """The events of one status after another: of each condition with a new status or reason that people should know."""
    known = {_key(condition) for condition in conditions_in(before.get("conditions"))}
    conditions = conditions_in(after.get("conditions"))
    return tuple(_announced([condition for condition in conditions if _key(condition) not in known], conditions))


def _key(condition: Condition) -> tuple[str, str, str]:
    kind, status, reason = (str(condition.get(part, "")) for part in ("type", "status", "reason"))
    return kind, status, reason


def _announced(fresh: list[Condition], conditions: list[Condition]) -> Iterator[Event]:
    about_the_model = {reason for kind, _, reason in map(_key, conditions) if kind == reasons.MODEL_RESOLVED}
    awaited = {reason for kind, _, reason in map(_key, conditions) if kind == reasons.RECONCILING}
    for condition in fresh:
        kind, status, reason = _key(condition)
        message = str(condition.get("message", ""))
        if kind == reasons.READY and reason in _OF_READY:
            yield Event(*_OF_READY[reason], message)
        elif kind == reasons.MODEL_RESOLVED and status != "True":
            # On the way to a first version there is no model yet, and nothing is wrong.
            of = EventType.NORMAL if reason in awaited else EventType.WARNING
            yield Event(of, reasons.EVENT_MODEL_UNRESOLVED, f"{reason}: {message}")
        elif kind == reasons.STALLED and reason not in about_the_model:
            yield Event(EventType.WARNING, reasons.EVENT_STALLED, f"{reason}: {message}")
        elif kind == reasons.ROUTE_JOINED and status != "True" and reason != reasons.JOIN_AWAITS:
            yield Event(EventType.WARNING, reasons.EVENT_ROUTE_NOT_JOINED, f"{reason}: {message}")
        elif kind == reasons.ORDERS_UNDERSTOOD:
            yield Event(EventType.WARNING, reasons.EVENT_ORDER_NOT_UNDERSTOOD, message)
        elif kind == reasons.RECONCILING and reason == reasons.APPLY_UNAVAILABLE:
            yield Event(EventType.WARNING, reasons.EVENT_APPLY_UNAVAILABLE, message)

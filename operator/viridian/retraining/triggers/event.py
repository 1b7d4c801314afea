"""`triggers[].event`: occurs once for each event that the receiver has stored for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from viridian.api import reasons
from viridian.api.event_trigger import EventTrigger
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.retraining.input import PolicyFacts
from viridian.retraining.received_events import ReceivedEvent, read_received
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.trigger_state import TriggerState

EVENT: Final = "event"
_NO_RECEIVER: Final = "the operator receives no events: start it with --events-port (Helm: events.enabled)"


def read_events(spec: RetrainPolicySpec, facts: PolicyFacts, _now: datetime) -> Iterator[TriggerState]:
    """The triggers of the spec that wait for events."""
    received = read_received(facts.records, facts.uid)
    for trigger in spec.triggers:
        if trigger.event is not None:
            yield _read(trigger.name, trigger.event, received, facts.settings.receives_events)


def _read(name: str, asked: EventTrigger, received: Sequence[ReceivedEvent], receives: bool) -> TriggerState:
    """What an event was stored for counts, not what the trigger would take now: it may be another one by now.

    An event that was stored while there was a receiver is answered after that, too.
    """
    return TriggerState(
        source=EVENT,
        name=name,
        key=asked.key,
        occurred=tuple(_cause(name, asked.key, event) for event in received if asked.key in event.triggers),
        always_counts=True,
        problem="" if receives else _NO_RECEIVER,
        reason=reasons.RECEIVER_NOT_CONFIGURED,
    )


def _cause(name: str, key: str, event: ReceivedEvent) -> Cause:
    evidence = {**msgspec.to_builtins(event.attributes), "sender": event.sender}
    shown = {attribute: value for attribute, value in evidence.items() if value}
    return Cause(EVENT, name, event.received.replace(microsecond=0), event.identity, key, evidence=shown)

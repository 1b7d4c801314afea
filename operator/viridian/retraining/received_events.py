"""Events that the receiver has taken, each stored in a ControllerRevision of the policy until runs have answered it.

The name follows from policy, source and id: an event that is sent again meets the object that is there. It is removed
once no run is to be made for it any more and a signed request with it would be refused for its age.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from viridian.api.event_trigger import EventAttributes
from viridian.api.names import RECEIVED_EVENT_LABEL, short_hash
from viridian.core.lookup import Object, dig, entries, labels_of, text
from viridian.core.ownership import remembered_by
from viridian.core.times import format_time_micros, parse_time

KEPT: Final = timedelta(minutes=15)
"""Longer than a signature is accepted: meanwhile an event that is sent again is known by its object."""
MAX_STORED: Final = 100
"""Events that are stored for one policy; more are refused until some have been removed."""
_HASH: Final = 20
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEvent:
    """An event as it is stored for one policy."""

    attributes: EventAttributes
    # When the receiver took it.
    received: datetime
    # Who sent it: the name of a key or of a service account.
    sender: str = ""
    # What the triggers asked for that took it then, by their keys.
    triggers: tuple[str, ...] = ()
    # The object that it is stored in; empty before it is.
    name: str = ""
    uid: str = ""

    @property
    def identity(self) -> str:
        """Its id for people, and a hash of source and id that no other event has."""
        shown = self.attributes.id[:_SHOWN]
        return f"{shown} {short_hash(self.attributes.source, self.attributes.id, length=12)}"


def stored_name(policy: str, uid: str, event: EventAttributes) -> str:
    """Name of the ControllerRevision that holds the event for this very policy."""
    return f"{policy}-event-{short_hash(uid, event.source, event.id, length=_HASH)}"


def stored_data(policy_uid: str, event: ReceivedEvent) -> dict[str, Any]:
    """The data of that ControllerRevision; they never change."""
    return {
        "policy": {"uid": policy_uid},
        "event": msgspec.to_builtins(event.attributes),
        "received": format_time_micros(event.received),
        "sender": event.sender,
        "triggers": [{"key": key} for key in event.triggers],
    }


def read_received(records: Iterable[Object], uid: str) -> tuple[ReceivedEvent, ...]:
    """The events that are stored for the policy with that uid, the one that came first at the front."""
    ours = (found for found in records if RECEIVED_EVENT_LABEL in labels_of(found) and remembered_by(found, uid))
    read = (event for event in map(_read, ours) if event is not None)
    return tuple(sorted(read, key=lambda event: (event.received, event.name)))


def _read(found: Object) -> ReceivedEvent | None:
    """None for data that this release does not understand."""
    received = parse_time(text(found, "data", "received"))
    try:
        attributes = msgspec.convert(dig(found, "data", "event"), EventAttributes)
    except msgspec.ValidationError:
        return None
    if received is None:
        return None
    return ReceivedEvent(
        attributes=attributes,
        received=received,
        sender=text(found, "data", "sender"),
        triggers=tuple(text(entry, "key") for entry in entries(found, "data", "triggers")),
        name=text(found, "metadata", "name"),
        uid=text(found, "metadata", "uid"),
    )

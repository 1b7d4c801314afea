"""Sends what waits in journals to the event sink: in order for each object, and at least once.

What was sent is recorded in the journal afterwards. An operator that dies in between sends it again, with the same id.
A sink that does not answer is left alone for a time that doubles, so that no pass waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from viridian.controller.keys import Key
from viridian.ports.event_sink import EventSink, SinkError, SinkUnavailable
from viridian.trail.cloud_events import cloud_event
from viridian.trail.journal import Journal

FIRST_REST_SECONDS: Final = 5.0
LONGEST_REST_SECONDS: Final = 300.0
AT_ONCE: Final = 20
"""Events of one object that a pass sends: others wait for its worker."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Up to which entry the sink has the events, and what keeps the next one."""

    number: int
    problem: str = ""


class EventOutbox:
    """One for all objects, as there is one sink."""

    def __init__(self, sink: EventSink, sent: Callable[[str, int], None]) -> None:
        """`sent(result, number)` is called with `taken`, `refused` or `unavailable`."""
        self._sink, self._sent = sink, sent
        self._rest, self._silent_until, self._silence = 0.0, float("-inf"), ""
        self._taken: dict[Key, tuple[str, int]] = {}
        """The uid, and up to which number its entries were sent, although the journal may not show it yet."""

    async def deliver(self, key: Key, uid: str, manifest: Mapping[str, Any], journal: Journal) -> Delivery:
        """Send the first entries that the journal shows as not delivered, as far as the sink takes them."""
        whose, taken = self._taken.get(key, ("", 0))
        # A journal that begins anew counts from 1 again.
        number = taken if whose == uid and taken <= journal.count else 0
        for entry in [one for one in journal.undelivered() if one.number > number][:AT_ONCE]:
            try:
                await self._send(cloud_event(entry, key.kind, key.namespace, key.name, uid, manifest))
            except SinkError as error:
                return Delivery(number, str(error))
            number = entry.number
            self._taken[key] = (uid, number)
        return Delivery(number)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._taken.pop(key, None)

    async def _send(self, event: Mapping[str, Any]) -> None:
        now = asyncio.get_running_loop().time
        if now() < self._silent_until:
            raise SinkUnavailable(self._silence)
        try:
            await self._sink.send(event)
        except SinkUnavailable as error:
            self._rest = min(max(2 * self._rest, FIRST_REST_SECONDS), LONGEST_REST_SECONDS)
            self._silent_until, self._silence = now() + self._rest, str(error)
            self._sent("unavailable", 1)
            raise
        except SinkError:
            self._sent("refused", 1)
            raise
        self._rest = 0.0
        self._sent("taken", 1)

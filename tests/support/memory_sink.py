"""An event sink in memory; a contract test holds the client to a real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from viridian.ports.event_sink import SinkError


class MemorySink:
    """Keeps what it takes, in its order."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.asked = 0
        self.failure: SinkError | None = None
        """Raised in place of taking an event."""
        self.after_send: Callable[[], None] = lambda: None
        """Called once an event is taken."""

    async def send(self, event: Mapping[str, Any]) -> None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        self.events.append(event)
        self.after_send()

    def words(self) -> list[str]:
        """What each event is about, without repetitions."""
        by_id = {event["id"]: event["data"]["what"] for event in self.events}
        return list(by_id.values())

"""When this process has taken the traffic back from a revision: for the status, and for nothing that is decided."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from viridian.controller.keys import Key
from viridian.core.plan import Apply, ClusterAction


class SwitchTimes:
    """The latest way back of each model."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._times: dict[Key, datetime] = {}

    def wrote(self, key: Key, action: ClusterAction) -> None:
        """A write was done."""
        if isinstance(action, Apply) and action.urgent:
            self._times[key] = self._clock()

    def of(self, key: Key) -> datetime | None:
        return self._times.get(key)

    def forget(self, key: Key) -> None:
        self._times.pop(key, None)

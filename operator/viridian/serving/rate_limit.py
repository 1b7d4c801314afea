"""How often something may be done."""

from __future__ import annotations

from collections.abc import Callable


class Rate:
    """At most so many a second; what was not used is kept for one second."""

    def __init__(self, per_second: float, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._now = now
        self._left = per_second
        self._at = now()

    def allows(self) -> bool:
        """One more, now."""
        now = self._now()
        left = self._left + (now - self._at) * self._per_second
        self._at = now
        if left < 1.0:
            self._left = left
            return False
        self._left = (left if left < self._per_second else self._per_second) - 1.0
        return True

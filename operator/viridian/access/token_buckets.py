"""How much each of many callers may take in a second."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

BURST_SECONDS: Final = 10.0
"""So much of a rate may come at once."""
_ROUNDING_SECONDS: Final = 1e-6
"""Less is what is left of sums of fractions: a caller that waited as long as it was asked to must be admitted."""
_REMEMBERED: Final = 10_000


class TokenBuckets:
    """One for each name. What is admitted may be more than is left: the next one then waits longer."""

    def __init__(self, each_second: float, clock: Callable[[], float], burst: float | None = None) -> None:
        self._each_second = each_second
        self._burst = each_second * BURST_SECONDS if burst is None else burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What was left, and when; who has not been here for long has a full one."""

    def wait(self, name: str) -> float:
        """Seconds until something is left; 0 where it is."""
        seconds = -self._left(name) / self._each_second
        return seconds if seconds > _ROUNDING_SECONDS else 0.0

    def take(self, name: str, number: float) -> None:
        """So much is used."""
        self._buckets[name] = (self._left(name) - number, self._clock())
        self._buckets.move_to_end(name)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)

    def _left(self, name: str) -> float:
        left, then = self._buckets.get(name, (self._burst, self._clock()))
        return min(self._burst, left + (self._clock() - then) * self._each_second)

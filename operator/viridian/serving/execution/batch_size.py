"""How many waiting requests are answered by one call of the model: as many as makes each of them cheaper.

Estimators cost far more for each call than for each row, so a hundred rows often take no longer than two. Where a model
costs the same for each row, nothing is won, and requests would only wait for each other.
"""

from __future__ import annotations

from typing import Final

MAX_BATCH: Final = 32
_STEPS: Final = MAX_BATCH.bit_length()
_PAYS: Final = 0.8
"""Twice as many requests together must make each one cheaper by at least a fifth."""
_NEWEST: Final = 0.2
"""Weight of the newest duration in the moving estimates."""
_REMEASURE_CALLS: Final = 256
"""After so many calls the size above the best one is tried again: the first try may have met a busy machine."""


class BatchSizer:
    """Moving estimates of seconds per request for 1, 2, 4, … requests in one call."""

    def __init__(self) -> None:
        self._each: list[float | None] = [None] * _STEPS
        self._calls = 0

    @property
    def most(self) -> int:
        """How many requests the next call should take, if so many wait."""
        best = 0
        for step in range(1, _STEPS):
            before, now = self._each[step - 1], self._each[step]
            if before is None:
                break
            if now is None or (now > _PAYS * before and self._calls % _REMEASURE_CALLS == 0):
                return 1 << step
            if now > _PAYS * before:
                break
            best = step
        return 1 << best

    def took(self, requests: int, seconds: float) -> None:
        """One call for so many requests."""
        step = min(requests.bit_length(), _STEPS) - 1
        each, known = seconds / requests, self._each[step]
        self._each[step] = each if known is None else known + _NEWEST * (each - known)
        self._calls += 1

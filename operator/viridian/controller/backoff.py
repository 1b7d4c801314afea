"""How long to wait after a failed pass: longer each time, up to a cap, and never in step with others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential: `first` seconds after the first failure in a row, doubled after each further one, at most `cap`.

    Of each delay the upper half is random, so that keys that failed together do not come back together.
    """

    random: Callable[[], float]
    """Uniform in [0, 1); injected."""
    first: float = 0.25
    cap: float = 300.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row (at least one)."""
        # 2.0 ** 1024 overflows; the cap is reached long before.
        whole = min(self.cap, self.first * 2.0 ** min(failures - 1, 60))
        return whole * (1.0 + self.random()) / 2.0

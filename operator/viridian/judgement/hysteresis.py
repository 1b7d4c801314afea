"""When is a number that has been beyond its threshold so far within it that its monitor is quiet again?

A number near its threshold is beyond it in one window and within it in the next, by chance alone. What has fired lasts
until the number has come back by more than that: by what chance makes of it, and by a fifth of the threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from viridian.api.monitoring import Decision

_RETURN: Final = 1.25
"""What a number is multiplied by before it is compared again: it has to come back by a fifth of the threshold."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """The number that is compared with the threshold once a monitor has fired."""

    number: float
    level: float
    """At this value or less it is quiet again."""


def lasting(value: float, bound: float, threshold: float, decision: Decision, *, by_chance: bool) -> Lasting | None:
    """What keeps a monitor firing; None where nothing does: chance alone explains the number, or it is harmless.

    `value` and `bound` as in a figure. To fire by LowerBound, a number is beyond the threshold by its allowance for
    chance already: it lasts until it comes back without one. By Point it fires without, and comes back by one.
    """
    if by_chance or value <= 0 or (decision is Decision.LOWER_BOUND and bound <= 0):
        return None
    if decision is Decision.LOWER_BOUND or math.isinf(value):
        return Lasting(_RETURN * value, threshold / _RETURN)
    allowance = min(value - bound, value)
    level = max(min(threshold / _RETURN, threshold - allowance), threshold / 2)
    return Lasting(max(_RETURN * value, value + allowance), level)

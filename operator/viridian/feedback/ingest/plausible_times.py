"""Times that senders give: one in another unit would lie for ever in the past or in the future, and win there."""

from __future__ import annotations

from typing import Final

_EARLIEST: Final = 946_684_800.0
"""2000-01-01."""
_AHEAD: Final = 86_400.0
"""Clocks differ, though not by more than a day."""
TIMES: Final = "times are seconds since 1970, neither milliseconds nor nanoseconds, from 2000-01-01 to a day from now"


def is_plausible_time(time: float, now: float) -> bool:
    """Whether something can have happened then; both are seconds since 1970."""
    return _EARLIEST <= time <= now + _AHEAD

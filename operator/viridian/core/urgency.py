"""Who is looked at first: those whose users would notice a pass that comes late."""

from __future__ import annotations

from enum import IntEnum


class Urgency(IntEnum):
    """The lower, the sooner."""

    AT_STAKE = 0
    """Users meet something that is being judged, or may lose the model that serves them."""
    UNSETTLED = 1
    """A change is under way, or nobody serves yet."""
    IDLE = 2
    """Nothing is expected to happen."""

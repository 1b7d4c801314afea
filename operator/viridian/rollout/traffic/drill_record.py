"""What the traffic record holds of drills: the one that is under way, and how the last one ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from viridian.rollout.traffic.exposure import Exposure


class DrillOutcome(StrEnum):
    """How a drill ended."""

    PASSED = "Passed"
    FAILED = "Failed"
    # The fallback was there for all requests, and none came: that proves too little.
    NO_TRAFFIC = "NoTraffic"
    # Something else came first, such as a new version.
    INTERRUPTED = "Interrupted"


RUNNING: Final = "Running"
"""What the status shows in place of an outcome until there is one."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill that is under way."""

    # The fallback, which answers in it.
    revision: str
    # Since when the fallback is brought to full size.
    entered: datetime | None = None
    # When it got the traffic, or the copies; None until then.
    since: datetime | None = None
    exposure: Exposure | None = None
    # When it was first seen to have answered.
    answered_at: datetime | None = None
    # The command of a person that asked for it; empty where the schedule did.
    order: str = ""
    # Share of the requests, in percent, of which it gets a copy while users stay with the champion. 0: it serves them.
    copies: Percent = 0

    @property
    def is_mirrored(self) -> bool:
        return self.copies > 0

    @property
    def moves_users(self) -> bool:
        """Whether users are the fallback's now."""
        return self.since is not None and not self.is_mirrored


@dataclass(frozen=True, slots=True)
class DrillResult:
    """How the newest drill ended, and what outlasts it."""

    revision: str
    outcome: str
    # When it began and ended.
    entered: datetime | None = None
    at: datetime | None = None
    # From the switch to the first answer of the fallback; None where it gave none.
    seconds: float | None = None
    requests: Count = 0
    errors: Count = 0
    message: str = ""
    # When a drill passed last, this one or one before it.
    passed_at: datetime | None = None
    # The newest command of a person that was carried out.
    order: str = ""
    # As in the drill.
    copies: Percent = 0
    # From the beginning until the fallback was ready for all requests; None where it was not.
    ready_seconds: float | None = None


def ready_seconds(drill: Drill) -> float | None:
    """From the beginning of a drill until the fallback was ready for all requests; None where it is not yet."""
    if drill.since is None or drill.entered is None:
        return None
    return round((drill.since - drill.entered).total_seconds(), 3)

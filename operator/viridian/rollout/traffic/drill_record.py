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
    # The switch was made, and nobody asked anything: that proves too little.
    NO_TRAFFIC = "NoTraffic"
    # Something else came first, such as a new version.
    INTERRUPTED = "Interrupted"


RUNNING: Final = "Running"
"""What the status shows in place of an outcome until there is one."""

Count = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill that is under way."""

    # The fallback, which serves in it.
    revision: str
    # Since when the fallback is brought to full size.
    entered: datetime | None = None
    # When it got the traffic; None until then.
    since: datetime | None = None
    exposure: Exposure | None = None
    # When it was first seen to have answered a user.
    answered_at: datetime | None = None
    # The command of a person that asked for it; empty where the schedule did.
    order: str = ""


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

"""What the traffic record holds of an experiment: that of the present step, or the newest one that has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """An experiment from its first share to its verdict."""

    step: str
    revision: str
    # The revision beside it.
    champion: str
    # What decides, as the spec asks for it: an edit of that begins another experiment.
    question: str
    measure: str
    started_at: datetime | None = None
    # The share of the challenger, and when it was decided about last.
    weight: Percent = 0
    allocated_at: datetime | None = None
    # Empty while it is under way.
    verdict: str = ""
    ended_at: datetime | None = None
    # By how much the challenger is better, with its interval; without rows nothing could be measured.
    effect: float = 0.0
    low: float = 0.0
    high: float = 0.0
    challenger_rows: Count = 0
    champion_rows: Count = 0
    message: str = ""

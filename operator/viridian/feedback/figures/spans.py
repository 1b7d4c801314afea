"""Windows of time that follow each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from viridian.feedback.problems import HttpProblem

MAX_WINDOWS: Final = 2_000


@dataclass(frozen=True)
class Spans:
    """`seconds` each, half open, from `start`; the last one may be cut short by `end`."""

    start: float
    end: float
    seconds: float

    @classmethod
    def checked(cls, start: float, end: float, seconds: float) -> Spans:
        """The windows, or a problem that says what would be some."""
        if not all(map(math.isfinite, (start, end, seconds))) or seconds <= 0 or end <= start:
            raise HttpProblem(400, "start and end are seconds since 1970 with start before end, and seconds is above 0")
        if (end - start) / seconds > MAX_WINDOWS:
            raise HttpProblem(400, f"that is more than {MAX_WINDOWS} windows; ask for a shorter time or longer windows")
        return cls(start, end, seconds)

    def number(self, time: float) -> int:
        """In which window the time lies."""
        return math.floor((time - self.start) / self.seconds)

    def bounds(self, number: int) -> tuple[float, float]:
        """Where a window starts and ends."""
        return self.start + number * self.seconds, min(self.end, self.start + (number + 1) * self.seconds)

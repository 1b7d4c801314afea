"""What triggers ask outside of the cluster, and what was answered: read beside the passes, and never waited for.

A reading is as old as it says. One that is missing was not answered yet: it is neither a cause nor a sign of health.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

READ_AGAIN: Final = timedelta(seconds=60)
"""After that a reading is asked for anew."""
_ROW_LENGTH: Final = 60
_SHORTEST_STEP: Final = 15


@dataclass(frozen=True, slots=True)
class MetricQuestion:
    """The value of an expression of PromQL, over so many seconds up to now."""

    expression: str
    seconds: int

    @property
    def step(self) -> int:
        """Seconds between two values."""
        return max(_SHORTEST_STEP, -(-self.seconds // _ROW_LENGTH))

    @property
    def values(self) -> int:
        """How many values there are where none is missing."""
        return self.seconds // self.step + 1


@dataclass(frozen=True, slots=True)
class LabelQuestion:
    """How many outcomes have become mature since then."""

    deployment: str
    since: datetime
    maturity: timedelta
    label: str = ""
    """Under which definition of the label they count; empty: under any."""


Question = MetricQuestion | LabelQuestion


@dataclass(frozen=True, slots=True)
class MetricReading:
    at: datetime
    series: int
    """How many series the expression has."""
    values: tuple[float, ...]
    """Of the first of them, the newest last; NaN is left out."""


@dataclass(frozen=True, slots=True)
class LabelReading:
    at: datetime
    outcomes: int


@dataclass(frozen=True, slots=True)
class NotAnsweredQuestion:
    """Why there is no reading; `lasting`: until a person changes something."""

    at: datetime
    message: str
    lasting: bool


Reading = MetricReading | LabelReading | NotAnsweredQuestion
Readings = Mapping[Question, Reading]

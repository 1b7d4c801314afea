"""One number that a monitor judged: the number, its bound beyond chance, and a sentence for people."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SIGMAS: Final = 3.0
"""Standard errors between an estimate and its bound: chance goes beyond about once in 740 times, on one side."""
_TOLERANCE: Final = 1e-9
"""0.1 + 0.2 is a little more than 0.3 for a computer, and should not be."""


class MonitorVerdict(StrEnum):
    """The result of a monitor."""

    FIRED = "Fired"
    QUIET = "Quiet"
    INSUFFICIENT_DATA = "InsufficientData"
    """Too little is known for either: never read it as Quiet."""


@dataclass(frozen=True, slots=True)
class EffectSize:
    """A number, and the part of it that chance does not explain. Neither is negative."""

    value: float
    bound: float
    at_least: bool = False
    """The true value is this or more."""
    unlikely: bool = False
    """Chance alone hardly ever makes as much of it, although the bound is 0."""

    @property
    def by_chance(self) -> bool:
        """Whether chance alone can explain it."""
        return self.bound <= 0 and not self.unlikely


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number that was judged."""

    measure: str
    """A statistic or a metric, by the name that users write."""
    verdict: MonitorVerdict
    sentence: str
    feature: str = ""
    """Empty for what is about the model as a whole."""
    value: float | None = None
    """None where nothing could be computed."""
    bound: float | None = None
    """The end of the value's interval that is nearer to harmlessness."""
    threshold: float | None = None
    reference: float | None = None
    """The same measure on the holdout."""
    samples: int = 0
    reference_samples: int = 0
    estimated: bool = False
    """Computed without outcomes: provisional until the labels are mature."""
    decisive: float | None = None
    """The number that is compared with the threshold; None where no threshold lets it fire."""
    from_below: bool = False
    """Whether the decisive number fires below the threshold; otherwise it fires above it."""
    lasting: float | None = None
    """What is compared with the threshold once the monitor has fired; None where the next window counts by itself."""
    quiet_when: str = ""
    """When it is quiet again after it has fired, for people."""

    def fires_at(self, threshold: float) -> bool:
        """Whether the verdict is Fired with this threshold in the place of its own."""
        return self._is_beyond(self.decisive, threshold)

    def lasts_at(self, threshold: float) -> bool:
        """Whether what has fired goes on with this threshold in the place of its own."""
        return self._is_beyond(self.lasting, threshold)

    def _is_beyond(self, number: float | None, threshold: float) -> bool:
        if number is None:
            return False
        return exceeds(threshold, number) if self.from_below else exceeds(number, threshold)


def exceeds(value: float, threshold: float) -> bool:
    """Strictly above. NaN is beyond nothing."""
    return value > threshold and not math.isclose(value, threshold, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def reaches(value: float, threshold: float) -> bool:
    """At least as much."""
    return not exceeds(threshold, value)


def overall(verdicts: Iterable[MonitorVerdict]) -> MonitorVerdict:
    """Of several: fired where one has, quiet where one could be judged and none has."""
    found = set(verdicts)
    return next((verdict for verdict in MonitorVerdict if verdict in found), MonitorVerdict.INSUFFICIENT_DATA)


def format_number(value: float | None) -> str:
    """A number as people want to read it."""
    if value is None or not math.isfinite(value):
        return "unbounded" if value is not None and value > 0 else "unknown"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def format_percent(share: float) -> str:
    """A share from 0 to 1 for people."""
    return f"{100 * share:.3g} %"

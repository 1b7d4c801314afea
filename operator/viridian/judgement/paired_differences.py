"""What follows from paired differences and their intervals: other confidences, many slices, worn holdouts.

The intervals are made where the rows are (`viridian.training`); here they are only read. A bound is moved to another
confidence as that of a normal distribution: by the ratio of the quantiles, for each side of the estimate alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_MOST_QUESTIONS: Final = 1_000_000
"""Beyond this many a confidence could not be distinguished from 1."""
POWER: Final = 0.8
"""The chance to pass that advice on rows and margins aims at, for a candidate that equals the champion."""


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much the candidate is better than the champion, with one-sided bounds; below 0 it is worse."""

    value: float
    low: float
    high: float

    def at(self, confidence: float, *, reported: float) -> Gain:
        """The same at another one-sided confidence than the one it was reported with."""
        ratio = quantile(confidence) / quantile(reported)
        return Gain(
            self.value, self.value + (self.low - self.value) * ratio, self.value + (self.high - self.value) * ratio
        )

    def chance_of_an_equal_one(self, margin: float, confidence: float) -> float:
        """The chance that a candidate that equals the champion passes with this noise: bound above -margin."""
        error = self._error(confidence)
        return 1.0 if error <= 0 else _NORMAL.cdf(margin / error - quantile(confidence))

    def margin_for_an_equal_one(self, confidence: float) -> float:
        """The margin with which an equal candidate passes in four of five cases."""
        return self._error(confidence) * (quantile(confidence) + quantile(POWER))

    def _error(self, confidence: float) -> float:
        return (self.value - self.low) / quantile(confidence)


def quantile(confidence: float) -> float:
    """Standard deviations above the mean of a normal distribution below which the share `confidence` lies."""
    return _NORMAL.inv_cdf(confidence)


def holm(p_values: Sequence[float], alpha: float, tests: int = 0) -> tuple[bool, ...]:
    """Which hypotheses are rejected, so that a true one is among them with a chance of at most alpha.

    Holm (1979), A simple sequentially rejective multiple test procedure. `tests` counts those that were made, where
    only the smallest p-values are known.
    """
    made, rejected = max(tests, len(p_values)), [False] * len(p_values)
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > alpha / (made - place):
            break
        rejected[index] = True
    return tuple(rejected)


def worn_confidence(confidence: float, asked: int) -> float:
    """The confidence for a holdout that is asked for the nth time: the allowed error divided by n.

    Bonferroni over the questions so far. A holdout that has refused bad candidates before is likely to pass one by
    chance at last: with this, the chance in n questions is at most 1 + ln(n) times that of one question.
    """
    return 1 - (1 - confidence) / min(max(1, asked), _MOST_QUESTIONS)


def is_close(one: float, other: float) -> bool:
    """0.80 - 0.795 is a little more than 0.005 for a computer, and should not be."""
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)

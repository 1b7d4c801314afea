"""The verdict of an experiment: how much better the challenger is than the champion, and what is proved of that.

The interval is a confidence sequence: it holds at every look together. So the figures may be looked at as often as one
likes, and the experiment ends with the first look at which something is proved. With d the difference, v its variance
and t the smallest effect of interest, the mixture of a normal test over effects N(0, t^2) gives

    |d - true difference| <= sqrt(v (1 + v / t^2) (2 ln(1 / alpha) + ln(1 + t^2 / v)))

for all looks, with a chance of 1 - alpha, as far as d is normal. Source: Robbins, "Statistical methods related to the
law of the iterated logarithm", 1970; Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic
confidence sequences", 2021.

While the share of the challenger moves, each span of time is compared apart and the differences are weighed
(Cochran, "Some methods for strengthening the common chi-squared tests", 1954): rows of a good hour, in which one of the
two has had most of the traffic, would count for that one otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from viridian.api.experiment_spec import ExperimentVerdict
from viridian.judgement.metrics import Measured


@dataclass(frozen=True, slots=True)
class ComparedSpan:
    """What was measured of both in one span of time; None of one that has no rows in it."""

    challenger: Measured | None
    champion: Measured | None


@dataclass(frozen=True, slots=True)
class EffectInterval:
    """By how much the challenger is better, with an interval that holds at every look."""

    effect: float
    low: float
    high: float
    variance: float
    challenger_rows: int
    champion_rows: int

    @property
    def least_rows(self) -> int:
        """Those of the one that has fewer."""
        return min(self.challenger_rows, self.champion_rows)


def effect_of(
    whole: ComparedSpan, spans: Sequence[ComparedSpan], *, higher_is_better: bool, scale: float, confidence: float
) -> EffectInterval | None:
    """The difference of the two, positive where the challenger is better; None where one of them has no figure.

    `whole` has the errors, from all rows, and `spans` the differences: one of them where the share has not moved.
    `scale`: the smallest effect of interest.
    """
    ours, theirs = whole.challenger, whole.champion
    if ours is None or theirs is None or not (ours.reliable and theirs.reliable):
        return None
    beside = [
        (one.challenger, one.champion)
        for one in spans
        if one.challenger is not None and one.champion is not None and min(one.challenger.rows, one.champion.rows) > 0
    ]
    weights = [mine.rows * other.rows / (mine.rows + other.rows) for mine, other in beside]
    if not weights:
        return None
    total = math.fsum(weights)
    sign = 1 if higher_is_better else -1
    differences = (mine.value - other.value for mine, other in beside)
    effect = sign * math.fsum(w * d for w, d in zip(weights, differences, strict=True)) / total
    our_square, their_square = ours.error**2 * ours.rows, theirs.error**2 * theirs.rows
    errors = (our_square / mine.rows + their_square / other.rows for mine, other in beside)
    variance = math.fsum(w * w * v for w, v in zip(weights, errors, strict=True)) / total**2
    radius = _radius(variance, scale, 1 - confidence)
    return EffectInterval(effect, effect - radius, effect + radius, variance, int(ours.rows), int(theirs.rows))


def _radius(variance: float, scale: float, alpha: float) -> float:
    looks = math.log1p(scale**2 / variance) if variance > 0 else 0.0
    return math.sqrt(variance * (1 + variance / scale**2) * (looks - 2 * math.log(alpha)))


def verdict_of(found: EffectInterval, *, smallest_effect: float, min_samples: int) -> ExperimentVerdict | None:
    """What is proved by now; None where nothing is.

    A difference that is proved to be smaller than what is of interest is none, whichever side it is on.
    """
    if found.least_rows < min_samples:
        return None
    if -smallest_effect < found.low and found.high < smallest_effect:
        return ExperimentVerdict.NO_DIFFERENCE
    if found.low > 0:
        return ExperimentVerdict.BETTER
    return ExperimentVerdict.WORSE if found.high < 0 else None


def thompson_share(found: EffectInterval | None, *, scale: float, floor: int) -> int:
    """The share of the challenger, in percent: its chance to be the better one, by the effects N(0, scale^2).

    That is the mean of Thompson's draws (1933), computed in place of drawn: all who see the same figures come to the
    same share. Each of the two keeps the floor. Without any figure both have the same chance.
    """
    chance = 0.5
    if found is not None and found.variance > 0:
        strength = found.effect * scale / math.sqrt(found.variance * (found.variance + scale**2))
        chance = math.erfc(-strength / math.sqrt(2)) / 2
    return min(max(round(100 * chance), floor), 100 - floor)

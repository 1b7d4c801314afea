"""The judgement of values that another system has computed. Chance is the business of that system.

There are no counts to tell chance from failure by, so a breach is so many values in a row that are beyond the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from viridian.judgement.canary import CanaryVerdict, Judgement
from viridian.judgement.split_test import Margin


@dataclass(frozen=True, slots=True)
class ValueBound:
    """What the values of one metric must keep, as far as it is set."""

    name: str
    min: float | None = None
    max: float | None = None
    margin: Margin | None = None
    """How much worse than the champion's a value may be."""
    higher_is_better: bool = False
    min_samples: int = 1
    consecutive: int = 1

    def is_beyond(self, value: float) -> bool:
        """Whether the value breaks `min` or `max`."""
        return (self.min is not None and value < self.min) or (self.max is not None and value > self.max)

    def is_worse(self, value: float, champion: float) -> bool:
        """Whether the value is worse than the champion's by more than the margin."""
        if self.margin is None:
            return False
        allowed = self.margin.relative * abs(champion) + self.margin.absolute
        return value < champion - allowed if self.higher_is_better else value > champion + allowed


@dataclass(frozen=True, slots=True)
class Values:
    """Values of one metric without a gap, the newest first."""

    challenger: Sequence[float]
    samples: int
    """How many values are known of the challenger, with those before a gap."""
    champion: Sequence[float | None] | None = None
    """Those of the champion at the same moments; None where it is not asked."""

    @property
    def pairs(self) -> list[tuple[float, float | None]]:
        """Challenger and champion at each moment."""
        if self.champion is None:
            return [(value, None) for value in self.challenger]
        return list(zip(self.challenger, self.champion, strict=False))


def judge_values(bound: ValueBound, known: Values) -> Judgement:
    """Judge one metric on its values.

    The bound is breached when the newest `consecutive` values all break it. So is the margin. Where the champion's
    values break the bound as well, and the challenger's are within the margin, the breach is marked as shared.
    """
    pairs = known.pairs
    value, champion = pairs[0] if pairs else (None, None)
    verdict, message = _verdict(bound, known)
    shared = verdict is CanaryVerdict.BREACH and all(
        theirs is not None and bound.is_beyond(theirs) and not bound.is_worse(ours, theirs)
        for ours, theirs in pairs[: bound.consecutive]
    )
    return Judgement(
        bound.name,
        verdict,
        f"{bound.name}{message}",
        value=value,
        samples=known.samples,
        champion=champion,
        champion_too=shared,
        beyond=verdict is CanaryVerdict.PASS and breaks_in_a_row(bound, known) > 0,
    )


def breaks_in_a_row(bound: ValueBound, known: Values) -> int:
    """How many of the newest values in a row break the bound or the margin."""
    return max(_beyond_in_a_row(bound, known), _worse_in_a_row(bound, known))


def _verdict(bound: ValueBound, known: Values) -> tuple[CanaryVerdict, str]:
    pairs = known.pairs
    if not pairs or known.samples < bound.min_samples:
        return CanaryVerdict.NO_DATA, f": {known.samples} of the {bound.min_samples} values that are needed"
    (value, champion), beyond, worse = pairs[0], _beyond_in_a_row(bound, known), _worse_in_a_row(bound, known)
    if beyond:
        return _after(beyond, bound, f" {value:.4g} is {side_of(bound, value)}")
    if bound.margin is not None and known.champion is not None and champion is None:
        return CanaryVerdict.NO_DATA, f" {value:.4g}, but the query has no value for the champion now"
    if worse:
        by = _margin(bound.margin) if bound.margin is not None else ""
        return _after(worse, bound, f" {value:.4g} is worse than the champion's {champion:.4g} {by}")
    return CanaryVerdict.PASS, f" {value:.4g} keeps its bounds"


def _after(streak: int, bound: ValueBound, sentence: str) -> tuple[CanaryVerdict, str]:
    """A breach, or the way to one: so many values in a row of those that it takes."""
    if streak >= bound.consecutive:
        return CanaryVerdict.BREACH, sentence
    return CanaryVerdict.PASS, f"{sentence}, value {streak} of {bound.consecutive}"


def _beyond_in_a_row(bound: ValueBound, known: Values) -> int:
    return len(list(takewhile(bound.is_beyond, known.challenger)))


def _worse_in_a_row(bound: ValueBound, known: Values) -> int:
    def worse(pair: tuple[float, float | None]) -> bool:
        ours, theirs = pair
        return theirs is not None and bound.is_worse(ours, theirs)

    return len(list(takewhile(worse, known.pairs)))


def side_of(bound: ValueBound, value: float) -> str:
    """What a value that breaks the bound is, in words."""
    if bound.max is not None and value > bound.max:
        return f"above the maximum {bound.max:.4g}"
    return f"below the minimum {bound.min:.4g}"


def _margin(margin: Margin) -> str:
    return f"by more than {100 * margin.relative:.3g} %" if margin.relative else f"by more than {margin.absolute:.4g}"

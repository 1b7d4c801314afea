"""Evidence about the challenger beside the champion, from what both answered at the same time.

The bad answers of both are split between the two as their requests are, as long as the challenger is no worse. So the
base rate cancels out: an outage of both is no evidence, and neither is a weight that moves, since each weight step is
counted apart. A margin may be relative (a factor on the champion's rate) or absolute (bad answers per request that are
added to the champion's).

For rates p and q of challenger and champion with p <= (1 + relative) * q + absolute, each bet multiplies in mean by at
most 1. With s the challenger's share of the requests, d = r*s + 1 - s and x = s * (r - 1), the mean of its logarithm's
exponent is absolute * (x / d - ln d) times the champion's requests, and x / (1 + x) <= ln(1 + x) for each x > -1.
Bernoulli answers have a smaller generating function than Poisson ones, so it holds for both.

Source of the split: the conditional test of two Poisson rates (Przyborowski and Wilenski, 1940), as a mixture of
likelihood ratios (Robbins, 1970).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from viridian.judgement.detector import Tally, log_of_sum, log_trial_weight, log_weights

RATIOS: Final = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
"""The alternatives: how many times more bad answers than at the margin, or fewer."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse than the champion still counts as no worse. One of the two is 0."""

    relative: float = 0.0
    absolute: float = 0.0


@dataclass(frozen=True, slots=True)
class SlotTallies:
    """What both answered in one span of time with one weight."""

    challenger: Tally = field(default_factory=Tally)
    champion: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class Concurrent:
    """What is known at one look of challenger and champion side by side."""

    steps: Sequence[SlotTallies] = ()
    """Each weight step of the trial; the present one is the last."""
    recent: Sequence[tuple[int, SlotTallies]] = ()
    """Since each moment of the window that lies in the present step; the moments of a trial are numbered from 0."""


def log_worse(known: Concurrent, margin: Margin) -> float:
    """The logarithm of the evidence against "the challenger is worse than the champion by no more than the margin".

    It bets as `viridian.judgement.detector` does, and so has the same bound on false alarms.
    """
    trial = log_trial_weight() + _log_evidence(known.steps, margin, RATIOS)
    recent = [
        weight + _log_evidence([split], margin, RATIOS)
        for weight, split in zip(log_start_weights(known), (split for _, split in known.recent), strict=True)
        if not math.isinf(weight)
    ]
    return log_of_sum([trial, *recent])


def log_start_weights(known: Concurrent) -> list[float]:
    """The logarithms of the weights of the bets that start in the window, by the challenger's bad answers."""
    bad = math.fsum(step.challenger.bad for step in known.steps)
    return log_weights(
        [bad - split.challenger.bad for _, split in known.recent], [number for number, _ in known.recent]
    )


def log_no_worse(known: Concurrent, margin: Margin) -> float:
    """The logarithm of the evidence against "the challenger is worse by the margin or more", in the whole trial."""
    return _log_evidence(known.steps, margin, tuple(1 / ratio for ratio in RATIOS))


def _log_evidence(splits: Sequence[SlotTallies], margin: Margin, ratios: Sequence[float]) -> float:
    """The mean over the alternatives; each bets on all steps together."""
    bets = [math.fsum(_log_bet(split, margin, ratio) for split in splits) for ratio in ratios]
    return log_of_sum(bets) - math.log(len(bets))


def _log_bet(split: SlotTallies, margin: Margin, ratio: float) -> float:
    asked, beside = split.challenger.total * (1 + margin.relative), split.champion.total
    if asked <= 0 or beside <= 0:
        return 0.0
    share = asked / (asked + beside)
    scale = math.log1p(share * (ratio - 1))
    expected = split.champion.bad + margin.absolute * beside
    return split.challenger.bad * (math.log(ratio) - scale) - expected * scale

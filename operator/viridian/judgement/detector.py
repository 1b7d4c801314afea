"""Evidence against a bound at any moment of a trial, from two memories: of the whole trial, and of what began lately.

The whole trial finds a slow leak. After an hour of health it needs long for what breaks suddenly, so a bet starts anew
at every moment of the window too. Each bet is an e-process, and so is their sum with weights that add up to 1. So a
revision that keeps its bound reaches an evidence of n with a chance of at most 1/n in its whole trial, however long it
is and however often it is looked at (Ville's inequality). Bets that started before the window are left out, which only
makes the sum smaller.

Source: Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", 2022,
with the weights of a bounded false alarm probability instead of a bounded run length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from viridian.judgement.evidence import log_against_share

_TRIAL: Final = 0.5
"""The weight of the bet on the whole trial; the others share the rest."""
_EVEN_UNTIL: Final = 300
"""Moments for which bets have about the same weight. The weight of later ones falls with the square of their number."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Bad answers, and all. Fractions come from interpolated histograms."""

    bad: float = 0.0
    total: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.bad + other.bad, self.total + other.total)

    def __sub__(self, other: Tally) -> Tally:
        return Tally(self.bad - other.bad, self.total - other.total)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a trial at one look."""

    trial: Tally
    """Since the trial began."""
    recent: Sequence[tuple[int, Tally]] = ()
    """Since each moment of the window; the moments of a trial are numbered from 0."""


@dataclass(frozen=True, slots=True)
class Detected:
    """The logarithm of the evidence against a bound, and whether most of it comes from the whole trial."""

    log_evidence: float
    by_trial: bool


def detect(memory: Memory, bound: float) -> Detected:
    """The evidence against "the share of bad answers is at most `bound`"."""
    trial = log_trial_weight() + log_against_share(memory.trial.bad, memory.trial.total, bound)
    # A bet without a bad answer has lost: it adds next to nothing, and most of them are such.
    recent = log_of_sum(
        [
            log_weight(number) + log_against_share(tally.bad, tally.total, bound)
            for number, tally in memory.recent
            if tally.bad > 0
        ]
    )
    return Detected(log_of_sum([trial, recent]), by_trial=trial >= recent)


def log_trial_weight() -> float:
    """The logarithm of the weight of the bet on the whole trial."""
    return math.log(_TRIAL)


def log_weight(moment: int) -> float:
    """The logarithm of the weight of the bet that starts at a moment; all together weigh what the trial's leaves."""
    return math.log((1 - _TRIAL) * _EVEN_UNTIL / ((moment + _EVEN_UNTIL) * (moment + _EVEN_UNTIL + 1)))


def log_of_sum(logs: Sequence[float]) -> float:
    """The logarithm of the sum of what these are the logarithms of; of nothing, minus infinity."""
    most = max(logs, default=-math.inf)
    return most if math.isinf(most) else most + math.log(math.fsum(math.exp(log - most) for log in logs))

"""Evidence against a bound at any moment of a trial, from bets that start again and again.

One bet runs over the whole trial and finds a slow leak. After an hour of health it needs long for what breaks suddenly,
so a bet starts at each look too, and a larger one where bad answers are new. Each bet is an e-process, and so is their
sum with weights that add up to 1. So a revision that keeps its bound reaches an evidence of n with a chance of at most
1/n in its whole trial, however long it is and however often it is looked at (Ville's inequality). Bets that are left
out only make the sum smaller.

The weight of a bet is fixed when it starts, by how many bad answers the trial has had by then. An hour with few bad
answers therefore costs little, however many looks it had: the weights are used up by bad answers, and not by time.

Source: Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", 2022,
with the weights of a bounded false alarm probability instead of a bounded run length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from viridian.judgement.evidence import log_against_share

_TRIAL: Final = 0.42
"""The weight of the bet on the whole trial."""
_LOOKS: Final = 0.05
"""What the bets that start at each look weigh together: little, as they matter where one look has many bad answers."""
_BAD_ANSWERS: Final = 1 - _TRIAL - _LOOKS
"""What the bets that start after bad answers weigh together."""
_EVEN_LOOKS: Final = 1800
"""Looks whose bets have about the same weight. The weight of later ones falls with the square of their number."""
_EVEN_BAD_ANSWERS: Final = 40
"""The same for bad answers."""


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
    """Since each moment of the window, the oldest first; the moments of a trial are numbered from 0."""
    earlier: Sequence[Tally] = ()
    """Since moments before the window at which bad answers were new, the oldest first. Between two of them there were
    no other ones."""


@dataclass(frozen=True, slots=True)
class Detected:
    """The logarithm of the evidence against a bound, and where most of it comes from."""

    log_evidence: float
    by_trial: bool
    by_earlier: Tally | None = None
    """What was counted since a moment before the window, where most of it comes from there."""


def detect(memory: Memory, bound: float) -> Detected:
    """The evidence against "the share of bad answers is at most `bound`"."""
    tallies = [*memory.earlier, *(tally for _, tally in memory.recent)]
    numbers = [*(None for _ in memory.earlier), *(number for number, _ in memory.recent)]
    weights = log_weights([memory.trial.bad - tally.bad for tally in tallies], numbers)
    bets = [_bet(weight, tally, bound) for weight, tally in zip(weights, tallies, strict=True)]
    trial = log_trial_weight() + log_against_share(memory.trial.bad, memory.trial.total, bound)
    earlier, recent = log_of_sum(bets[: len(memory.earlier)]), log_of_sum(bets[len(memory.earlier) :])
    strongest = max(range(len(memory.earlier)), key=bets.__getitem__, default=None)
    late = strongest is not None and earlier > max(trial, recent)
    return Detected(
        log_of_sum([trial, earlier, recent]),
        by_trial=trial >= log_of_sum([earlier, recent]),
        by_earlier=memory.earlier[strongest] if late and strongest is not None else None,
    )


def _bet(log_weight: float, tally: Tally, bound: float) -> float:
    """What a bet has now, in logarithms. One without a bad answer has lost: most are such, and add next to nothing."""
    return log_weight + log_against_share(tally.bad, tally.total, bound) if tally.bad > 0 else -math.inf


def log_trial_weight() -> float:
    """The logarithm of the weight of the bet on the whole trial."""
    return math.log(_TRIAL)


def log_weights(bad: Sequence[float], numbers: Sequence[int | None]) -> list[float]:
    """The logarithms of the weights of bets that start at some moments, the oldest first.

    `bad` has the bad answers of the trial by each moment, and `numbers` which look it is; None where only the bad
    answers count. What the first moment has before it is not known, so no bad answer is new there.
    """
    known, weights = bad[0] if bad else 0.0, []
    for by_then, number in zip(bad, numbers, strict=True):
        newest = max(known, by_then)
        weight = _BAD_ANSWERS * (_used_up(newest) - _used_up(known)) + (
            _look_weight(number) if number is not None else 0.0
        )
        weights.append(math.log(weight) if weight > 0 else -math.inf)
        known = newest
    return weights


def _used_up(bad: float) -> float:
    """The part of the weights of bad answers that so many have used up."""
    return bad / (bad + _EVEN_BAD_ANSWERS) if bad > 0 else 0.0


def _look_weight(number: int) -> float:
    return _LOOKS * _EVEN_LOOKS / ((number + _EVEN_LOOKS) * (number + _EVEN_LOOKS + 1))


def log_of_sum(logs: Sequence[float]) -> float:
    """The logarithm of the sum of what these are the logarithms of; of nothing, minus infinity."""
    most = max(logs, default=-math.inf)
    return most if math.isinf(most) else most + math.log(math.fsum(math.exp(log - most) for log in logs))

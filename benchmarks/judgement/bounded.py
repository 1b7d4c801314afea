"""Simulated challengers against a bound of 1 % errors: the operator's judge, and rules beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from benchmarks.judgement.rejections import BOUND, HOUR, NEEDED, WINDOW, Counts, Found, first, since_start
from viridian.judgement.detector import Memory, Tally, detect, log_weight
from viridian.judgement.evidence import log_against_share


@lru_cache(maxsize=200_000)
def least(total: int, needed: float) -> int:
    """The fewest bad answers of so many that are as strong evidence against the bound."""
    low, high = 0, total + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if log_against_share(middle, total, BOUND) >= needed else (middle + 1, high)
    return low


def by_operator(bad: Counts, totals: Counts, start: int = 0) -> Found:
    """The operator's rule. Looks that are far from any verdict are left out; all others get the operator's own code."""
    looks = bad.shape[1]
    near = np.zeros(bad.shape, dtype=np.bool_)
    for look in range(max(1, start), looks):
        near[:, look] = bad[:, look] >= least(int(totals[look]), NEEDED)
        enough = NEEDED - math.log(2 * weights_of_window(look // 300 * 300))
        for number in range(max(0, look - WINDOW), look):
            total = int(totals[look] - totals[number])
            near[:, look] |= bad[:, look] - bad[:, number] >= least(total, enough)
    found = np.full(len(bad), math.inf)
    for rollout, look in zip(*near.nonzero(), strict=True):
        if math.isinf(found[rollout]) and memory_breaks(bad[rollout], totals, int(look)):
            found[rollout] = look
    return found


@lru_cache
def weights_of_window(look: int) -> float:
    """What the bets of a window weigh together, from that look on at most."""
    return math.fsum(math.exp(log_weight(number)) for number in range(max(0, look - WINDOW), max(WINDOW, look)))


def memory_breaks(bad: Counts, totals: Counts, look: int) -> bool:
    recent = [
        (number, Tally(float(bad[look] - bad[number]), float(totals[look] - totals[number])))
        for number in range(max(0, look - WINDOW), look)
    ]
    trial = Tally(float(bad[look]), float(totals[look]))
    return detect(Memory(trial, recent), BOUND).log_evidence >= NEEDED


def by_window(bad: Counts, totals: Counts, start: int = 0) -> Found:
    hits = np.zeros(bad.shape, dtype=np.bool_)
    for look in range(max(1, start), bad.shape[1]):
        before = max(0, look - WINDOW)
        hits[:, look] = bad[:, look] - bad[:, before] >= least(int(totals[look] - totals[before]), NEEDED)
    return first(hits)


def by_threshold(bad: Counts, totals: Counts, start: int = 0) -> Found:
    hits = np.zeros(bad.shape, dtype=np.bool_)
    for look in range(max(1, start), bad.shape[1]):
        before = max(0, look - WINDOW)
        total = int(totals[look] - totals[before])
        hits[:, look] = (total >= 50) & (bad[:, look] - bad[:, before] > BOUND * total)
    return first(hits)


AGAINST_BOUND: Final = {"Viridian": by_operator, "sliding window": by_window, "threshold": by_threshold}


@dataclass(frozen=True)
class Bounded:
    """A challenger against its bound: how often it is asked, and how often it fails, look by look."""

    name: str
    asked: tuple[int, ...]
    share: tuple[float, ...]
    start: int = 0
    """What is found before does not count."""


def healthy() -> list[Bounded]:
    steps = (2,) * 1200 + (10,) * 1200 + (20,) * 1200
    swings = ((0.002,) * 300 + (BOUND,) * 300) * 6
    return [
        *(Bounded(f"exactly at the bound, {rate}/s", (rate,) * HOUR, (BOUND,) * HOUR) for rate in (1, 8, 50)),
        Bounded("exactly at the bound, 2, 10, then 20/s", steps, (BOUND,) * HOUR),
        Bounded("swings from a fifth of the bound to the bound, 8/s", (8,) * HOUR, swings),
        Bounded("half of the bound, 8/s", (8,) * HOUR, (BOUND / 2,) * HOUR),
    ]


def leaking() -> list[Bounded]:
    return [
        Bounded(f"{share:.1%} from the start, {rate}/s", (rate,) * HOUR, (share,) * HOUR)
        for share, rate in ((0.02, 1), (0.015, 8), (0.02, 8))
    ]


def breaking() -> list[Bounded]:
    return [
        Bounded(
            f"{share:.0%} after an hour at 0.2 %, {rate}/s",
            (rate,) * (HOUR + 600),
            (0.002,) * HOUR + (share,) * 600,
            start=HOUR,
        )
        for share in (0.30, 0.10, 0.05)
        for rate in (1, 8, 50)
    ]


def against_bound(case: Bounded, rollouts: int, seed: int) -> Mapping[str, Found]:
    chance = np.random.default_rng([seed, len(case.asked), *case.name.encode()])
    asked = np.array(case.asked)
    bad = since_start(chance.binomial(asked, np.array(case.share), size=(rollouts, len(asked))))
    totals = np.concatenate([[0], asked.cumsum()])
    return {name: rule(bad, totals, case.start) for name, rule in AGAINST_BOUND.items()}

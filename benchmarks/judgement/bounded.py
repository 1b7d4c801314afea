"""Simulated challengers against a bound of 1 % errors: the operator's judge, and rules beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from benchmarks.judgement.rejections import BOUND, HOUR, NEEDED, WINDOW, Counts, Found, first, share_of, since_start
from viridian.judgement.detector import Memory, Tally, detect, log_trial_weight, log_weights
from viridian.judgement.evidence import log_against_share, log_bets
from viridian.rollout.analysis.pod_readings import MOST_EARLIER

MOST: Final = 1e250
"""Where evidence is cut off: it is enough for every verdict, and its products stay numbers."""


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
    found = np.full(len(bad), math.inf)
    for look, near in enumerate(at_most(bad, totals), start=1):
        for rollout in ((near >= NEEDED) & np.isinf(found)).nonzero()[0] if look >= start else ():
            if evidence_at(bad[rollout], totals, look) >= NEEDED:
                found[rollout] = look
    return found


def at_most(bad: Counts, totals: Counts, bound: float = BOUND) -> Iterator[Found]:
    """For each look and rollout the logarithm of the evidence, if the operator forgot no bet.

    The bets of one alternative all grow alike, so their sum is known from that of the look before.
    """
    lost, kept = (np.array(logs)[:, None] for logs in zip(*log_bets(bound), strict=True))
    weights = np.exp([log_weights([0.0], [look])[0] for look in range(bad.shape[1])])
    used = np.exp([log_weights([0.0, float(count)], [None, None])[1] for count in range(int(bad.max()) + 1)])
    trial = np.full((len(lost), len(bad)), math.exp(log_trial_weight()))
    begun = np.zeros_like(trial)
    for look in range(1, bad.shape[1]):
        begun += weights[look - 1] + (used[bad[:, look - 1]] - used[bad[:, max(0, look - 2)]])
        new = bad[:, look] - bad[:, look - 1]
        grown = np.exp(new * lost + (totals[..., look] - totals[..., look - 1] - new) * kept)
        trial, begun = np.minimum(trial * grown, MOST), np.minimum(begun * grown, MOST)
        yield np.log(np.maximum((trial + begun).mean(axis=0), 1 / MOST))


def evidence_at(bad: Counts, totals: Counts, look: int, bound: float = BOUND) -> float:
    """The logarithm of the evidence by the operator's own code."""

    def since(number: int) -> Tally:
        return Tally(float(bad[look] - bad[number]), float(totals[look] - totals[number]))

    opened = max(0, look - WINDOW)
    earlier = (np.diff(bad[:opened]) > 0).nonzero()[0] + 1
    recent = [(number, since(number)) for number in range(opened, look)]
    memory = Memory(since(0), recent, [since(int(number)) for number in earlier[-MOST_EARLIER:]])
    return detect(memory, bound).log_evidence


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

    @property
    def least_seconds(self) -> float:
        """What no rule with this bound on false rejections can beat in mean, if it rejects in the end.

        Not even one that knows when the break begins and how bad it is: with one false rejection in n, the answers that
        it waits for have an information of at least log(n), and each has the Kullback-Leibler divergence of the two
        shares (A. Wald, "Sequential tests of statistical hypotheses", 1945).
        """
        share, rate = self.share[-1], self.asked[-1]
        information = share * math.log(share / BOUND) + (1 - share) * math.log((1 - share) / (1 - BOUND))
        return NEEDED / information / rate


def healthy() -> list[Bounded]:
    steps = (2,) * 1200 + (10,) * 1200 + (20,) * 1200
    swings = ((0.002,) * 300 + (BOUND,) * 300) * 6
    return [
        *(Bounded(f"exactly at the bound, {rate}/s", (rate,) * HOUR, (BOUND,) * HOUR) for rate in (1, 8, 50)),
        Bounded("exactly at the bound, 2, 10, then 20/s", steps, (BOUND,) * HOUR),
        Bounded("swings from a fifth of the bound to the bound, 8/s", (8,) * HOUR, swings),
        Bounded("half of the bound, 8/s", (8,) * HOUR, (BOUND / 2,) * HOUR),
    ]


def columns(case: Bounded, found: Mapping[str, Found]) -> Mapping[str, str]:
    """What the tables of bad challengers say beside the median times."""
    within = " / ".join(f"{share_of(found['Viridian'] - case.start, 60 * minutes + 1):.0%}" for minutes in (10, 30, 60))
    return {"of them in 10 / 30 / 60 min": within, "no rule in less than": f"{case.least_seconds:.3g} s"}


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

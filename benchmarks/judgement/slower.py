"""Simulated challengers that answer more slowly than their champion: the operator's comparison of latencies.

80 requests a second, a tenth of them the challenger's; times are lognormal with a median of 50 ms and a sigma of 0.5.
One look every ten seconds, for an hour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.judgement.rejections import HOUR, NEEDED, PROMOTE, Found
from viridian.api.samples import LATENCY_BOUNDS
from viridian.judgement.canary import Bound, tally
from viridian.judgement.compared_latency import slow_answers
from viridian.judgement.counts import Counts
from viridian.judgement.split_test import Concurrent, Margin, SlotTallies, log_no_worse, log_worse

SECONDS: Final = 10
LOOKS: Final = HOUR // SECONDS
MOMENTS: Final = 6
ASKED: Final = (8 * SECONDS, 72 * SECONDS)
METRIC: Final = "latency-p95"
RELATIVE: Final = 0.2


@dataclass(frozen=True)
class Slower:
    name: str
    factor: float
    """How many times longer the challenger takes."""


def slower() -> list[Slower]:
    factors = {"as fast": 1.0, "10 % slower": 1.1, "20 % slower, the margin": 1.2, "40 % slower": 1.4, "twice": 2.0}
    return [Slower(name, factor) for name, factor in factors.items()]


def histograms(chance: np.random.Generator, asked: int, factor: float) -> NDArray[np.float64]:
    """Answers within each bound before each look, and after the last one."""
    edges = stats.norm.cdf((np.log(np.array(LATENCY_BOUNDS)) - math.log(0.05 * factor)) / 0.5)
    drawn = chance.multinomial(asked, np.diff([0.0, *edges, 1.0]), size=LOOKS)
    return np.concatenate([np.zeros((1, drawn.shape[1])), drawn.cumsum(axis=0)]).cumsum(axis=1)


def counts(cumulative: NDArray[np.float64]) -> Counts:
    bounds = (*LATENCY_BOUNDS, math.inf)
    pairs = tuple(zip(bounds, cumulative.tolist(), strict=True))
    return Counts(float(cumulative[-1]), 0.0, pairs)


def known(challenger: NDArray[np.float64], champion: NDArray[np.float64], look: int) -> Concurrent | None:
    """What the operator knows at a look; None before the champion's quantile is known."""
    bounds = slow_answers(
        Bound(METRIC, math.inf, 5), Margin(relative=RELATIVE), counts(challenger[look]), counts(champion[look])
    )
    if bounds is None:
        return None

    def tallies(start: int) -> SlotTallies:
        ours, theirs = (
            tally(bound, counts(one[look] - one[start]))
            for bound, one in zip(bounds, (challenger, champion), strict=True)
        )
        return SlotTallies(ours, theirs)

    return Concurrent([tallies(0)], [(start, tallies(start)) for start in range(max(0, look - MOMENTS), look)])


def beside_slower(case: Slower, rollouts: int, seed: int) -> Mapping[str, Found]:
    chance = np.random.default_rng([seed, *case.name.encode()])
    worse, no_worse = np.full(rollouts, math.inf), np.full(rollouts, math.inf)
    for rollout in range(rollouts):
        challenger, champion = histograms(chance, ASKED[0], case.factor), histograms(chance, ASKED[1], 1.0)
        for look in range(1, LOOKS + 1):
            seen = known(challenger, champion, look)
            if seen is None:
                continue
            if math.isinf(no_worse[rollout]) and log_no_worse(seen, Margin()) >= PROMOTE:
                no_worse[rollout] = look * SECONDS
            if log_worse(seen, Margin()) >= NEEDED:
                worse[rollout] = look * SECONDS
                break
    return {"Viridian, worse": worse, "Viridian, no worse": no_worse}

"""Simulated challengers beside their champion: the operator's judge, and rules beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy import stats

from benchmarks.judgement.bounded import at_most, evidence_at
from benchmarks.judgement.rejections import BOUND, HOUR, NEEDED, PROMOTE, WINDOW, Counts, Found, first, since_start
from viridian.judgement.beside_champion import BesideChampion, shares_its_breach
from viridian.judgement.canary import ERROR_RATE, Bound
from viridian.judgement.detector import Tally, log_trial_weight, log_weights
from viridian.judgement.split_test import RATIOS, Concurrent, Margin, SlotTallies, log_no_worse, log_worse


@dataclass(frozen=True)
class Beside:
    """A challenger beside its champion: 80 requests a second in all, `weight` of them the challenger's."""

    name: str
    weight: tuple[float, ...]
    share: tuple[float, ...]
    """How often the champion fails, look by look."""
    ratio: float = 1.0
    """How many times more often the challenger does."""


MARGIN: Final = Margin(relative=0.5)
ASKED: Final = 80
AT_ONCE: Final = 200_000
"""Looks whose evidence is computed together, which bounds the memory."""


def pairs() -> list[Beside]:
    tenth, rising = (0.10,) * HOUR, (0.10,) * 1200 + (0.25,) * 1200 + (0.50,) * 1200
    even, jump = (0.01,) * HOUR, (0.01,) * 2400 + (0.03,) * 1200
    outage = (0.01,) * 1200 + (0.30,) * 300 + (0.01,) * 2100
    return [
        Beside("as good, weight 10", tenth, even),
        Beside("as good, weights 10, 25, 50", rising, even),
        Beside("as good, weights 10, 25, 50, base rate 1 %, then 3 %", rising, jump),
        Beside("as good, an outage of both", tenth, outage),
        Beside("at the margin: 1.5 times, weights 10, 25, 50", rising, even, 1.5),
        Beside("2 times, weight 10", tenth, even, 2.0),
        Beside("2 times, weights 10, 25, 50", rising, even, 2.0),
        Beside("3 times, weight 10", tenth, even, 3.0),
    ]


@dataclass(frozen=True)
class Answers:
    """Requests and bad answers of both before each look, and where each weight step begins."""

    asked: tuple[Counts, Counts]
    bad: tuple[Counts, Counts]
    steps: tuple[int, ...]

    def split(self, rollout: int, start: int, end: int) -> SlotTallies:
        asked, bad = (
            [float(one[rollout, end] - one[rollout, start]) for one in both] for both in (self.asked, self.bad)
        )
        return SlotTallies(Tally(bad[0], asked[0]), Tally(bad[1], asked[1]))

    def known(self, rollout: int, look: int) -> Concurrent:
        """What the operator knows at a look."""
        begun = max(start for start in self.steps if start < look)
        recent = [(n, self.split(rollout, n, look)) for n in range(max(begun, look - WINDOW), look)]
        return Concurrent(self.by_step(rollout, look), recent)

    def by_step(self, rollout: int, look: int) -> list[SlotTallies]:
        """Each weight step until a look."""
        edges = [*(start for start in self.steps if start < look), look]
        return [self.split(rollout, *span) for span in pairwise(edges)]


def answers(case: Beside, rollouts: int, seed: int) -> Answers:
    chance = np.random.default_rng([seed, *case.name.encode()])
    weight, share = np.array(case.weight), np.array(case.share)
    challenger = chance.binomial(ASKED, weight, size=(rollouts, len(weight)))
    champion = ASKED - challenger
    bad = chance.binomial(challenger, np.minimum(1, share * case.ratio)), chance.binomial(champion, share)
    starts = (0, *(int(at) + 1 for at in np.diff(weight).nonzero()[0]))
    return Answers((since_start(challenger), since_start(champion)), (since_start(bad[0]), since_start(bad[1])), starts)


def worse(seen: Answers) -> Found:
    """The operator's rule, at looks with a new bad answer of the challenger: no other look adds to its evidence.

    The evidence of all these looks is computed at once; the operator's own code decides those that may be a breach.
    """
    rollouts, looks = (np.diff(seen.bad[0], axis=1) > 0).nonzero()
    looks = looks + 1
    parts = np.array_split(np.arange(len(looks)), 1 + len(looks) // AT_ONCE)
    evidence = np.concatenate([worse_at(seen, rollouts[part], looks[part]) for part in parts])
    for one in np.random.default_rng(1).integers(len(looks), size=50):
        exact = log_worse(seen.known(int(rollouts[one]), int(looks[one])), MARGIN)
        if not math.isclose(exact, evidence[one], abs_tol=1e-6):
            raise AssertionError(f"the operator's code has {exact} where {evidence[one]} was computed")
    found = np.full(len(seen.bad[0]), math.inf)
    for one in (evidence >= NEEDED - 1e-6).nonzero()[0]:
        rollout, look = int(rollouts[one]), int(looks[one])
        if math.isinf(found[rollout]) and log_worse(seen.known(rollout, look), MARGIN) >= NEEDED:
            found[rollout] = look
    return found


def worse_at(seen: Answers, rollouts: Counts, looks: Counts) -> Found:
    """What `log_worse` computes, for many rollouts and looks at once."""
    begun = np.array(seen.steps)[np.searchsorted(seen.steps, looks, side="left") - 1]
    trial = np.zeros((len(RATIOS), len(looks)))
    for start, end in pairwise((*seen.steps, seen.bad[0].shape[1])):
        trial += bets(seen, rollouts, np.minimum(start, looks), np.minimum(end, looks))
    total = np.exp(log_trial_weight() + trial).mean(axis=0)
    of_looks = np.exp([log_weights([0.0], [look])[0] for look in range(seen.bad[0].shape[1])])
    of_bad = np.exp([log_weights([0.0, float(bad)], [None, None])[1] for bad in range(int(seen.bad[0].max()) + 1)])
    oldest = np.maximum(begun, looks - WINDOW)
    for age in range(1, WINDOW + 1):
        moments, before = np.maximum(oldest, looks - age), np.maximum(oldest, looks - age - 1)
        new = of_bad[seen.bad[0][rollouts, moments]] - of_bad[seen.bad[0][rollouts, before]]
        evidence = np.exp(bets(seen, rollouts, moments, looks)).mean(axis=0)
        total += np.where(looks - age >= begun, (of_looks[moments] + new) * evidence, 0.0)
    return np.asarray(np.log(total))


def bets(seen: Answers, rollouts: Counts, starts: Counts, ends: Counts) -> Found:
    """For each alternative what a bet between two looks has won, in logarithms."""
    asked, bad = ([one[rollouts, ends] - one[rollouts, starts] for one in both] for both in (seen.asked, seen.bad))
    there = asked[0] * (1 + MARGIN.relative)
    share = np.where((asked[0] > 0) & (asked[1] > 0), there / np.maximum(there + asked[1], 1), 0.0)
    won = []
    for ratio in RATIOS:
        scale = np.log1p(share * (ratio - 1))
        won.append(np.where(share > 0, bad[0] * (math.log(ratio) - scale) - bad[1] * scale, 0.0))
    return np.array(won)


def no_worse(seen: Answers) -> Found:
    """When there is enough evidence for the end of a step, looked at every 10 seconds."""
    found = np.full(len(seen.bad[0]), math.inf)
    for rollout in range(len(found)):
        for look in range(10, seen.bad[0].shape[1], 10):
            if log_no_worse(Concurrent(seen.by_step(rollout, look)), MARGIN) >= PROMOTE:
                found[rollout] = look
                break
    return found


def by_z_test(seen: Answers) -> Found:
    """Like the other rules it knows no margin: it asks whether the challenger is worse at all."""
    minutes = slice(60, None, 60)
    asked, bad = ([one[:, minutes] for one in both] for both in (seen.asked, seen.bad))
    pooled = (bad[0] + bad[1]) / (asked[0] + asked[1])
    error = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / asked[0] + 1 / asked[1]))
    z = (bad[0] / asked[0] - bad[1] / asked[1]) / error
    return 60 * (1 + first(z > stats.norm.ppf(0.99)))


def by_factor(seen: Answers) -> Found:
    minutes = slice(300, None, 60)
    asked, bad = ([one[:, minutes] for one in both] for both in (seen.asked, seen.bad))
    return 300 + 60 * first(bad[0] / asked[0] > 1.2 * bad[1] / asked[1])


def by_kayenta(seen: Answers) -> Found:
    rates = [
        np.diff(b[:, ::60], axis=1) / np.diff(a[:, ::60], axis=1) for a, b in zip(seen.asked, seen.bad, strict=True)
    ]
    hits = [
        stats.mannwhitneyu(rates[0][:, :end], rates[1][:, :end], alternative="greater", axis=1).pvalue < 0.01
        for end in range(10, rates[0].shape[1] + 1, 10)
    ]
    return 600 * (1 + first(np.array(hits).T))


def beside_champion(case: Beside, rollouts: int, seed: int) -> Mapping[str, Found]:
    seen = answers(case, rollouts, seed)
    return {
        "Viridian, worse": worse(seen),
        "Viridian, no worse": no_worse(seen),
        "peeked z-test": by_z_test(seen),
        "1.2 x champion": by_factor(seen),
        "Kayenta": by_kayenta(seen),
    }


# ---- an incident of the world, and one of the challenger alone


@dataclass(frozen=True)
class Incident:
    """Ten minutes of health at 0.2 % errors of both, then two minutes in which they fail so often."""

    name: str
    weight: float
    challenger: float
    champion: float
    asked: int = 80
    """Requests a second of both together."""


HEALTHY_LOOKS: Final = 600
INCIDENT_LOOKS: Final = (*range(1, 30), *range(30, 121, 5))


def incidents() -> list[Incident]:
    return [
        Incident(f"{name}, weight {weight:.0%}, {asked}/s", weight, challenger, champion, asked)
        for name, challenger, champion in (
            ("both fail, 30 %", 0.3, 0.3),
            ("both fail, 3 %", 0.03, 0.03),
            ("the challenger alone, 30 %", 0.3, 0.002),
            ("the challenger alone, 3 %", 0.03, 0.002),
        )
        for weight in (0.1, 0.5)
        for asked in (8, 80)
    ]


def with_champion(case: Incident, rollouts: int, seed: int) -> Mapping[str, Found]:
    """When the challenger is rejected, with the champion beside it and by its bound alone, in looks of the incident."""
    chance = np.random.default_rng([seed, *case.name.encode()])
    long = HEALTHY_LOOKS + INCIDENT_LOOKS[-1]
    fails = [
        np.repeat([0.002, share], [HEALTHY_LOOKS, long - HEALTHY_LOOKS]) for share in (case.challenger, case.champion)
    ]
    challenger = chance.binomial(case.asked, case.weight, size=(rollouts, long))
    champion = case.asked - challenger
    bad = chance.binomial(challenger, fails[0]), chance.binomial(champion, fails[1])
    seen = Answers((since_start(challenger), since_start(champion)), (since_start(bad[0]), since_start(bad[1])), (0,))
    alone, beside = np.full(rollouts, math.inf), np.full(rollouts, math.inf)
    for number, near in enumerate(at_most(seen.bad[0], seen.asked[0]), start=1):
        look = number - HEALTHY_LOOKS
        for rollout in ((near >= NEEDED) & np.isinf(beside)).nonzero()[0] if look in INCIDENT_LOOKS else ():
            if evidence_at(seen.bad[0][rollout], seen.asked[0][rollout], number) < NEEDED:
                continue
            alone[rollout] = min(alone[rollout], look)
            if not is_shared(seen, rollout, number):
                beside[rollout] = look
    return {"Viridian, beside the champion": beside, "Viridian, the bound alone": alone}


def is_shared(seen: Answers, rollout: int, look: int) -> bool:
    known = seen.known(rollout, look)
    bound = Bound(ERROR_RATE, BOUND, min_samples=5)
    champion = BesideChampion(bounded=known, concurrent=known)
    return shares_its_breach(bound, champion, Margin(), evidence_needed=math.exp(NEEDED))

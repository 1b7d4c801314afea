"""How often the judge of a rollout throws a good challenger away, and how soon it finds a bad one.

Simulated rollouts with one look a second, judged by the operator's own code. Rules beside it:
  sliding window    the judge as it was: evidence of 100 in the window of the last minute alone
  threshold         the window's rate is above the bound, with at least 50 answers, as rollouts with fixed thresholds do
  peeked z-test     once a minute, everything since the start, p < 0.01 on one side
  1.2 x champion    from minute 5 on, once a minute: the rate since the start is above 1.2 times the champion's
  Kayenta           every 10 minutes its judge's Mann-Whitney test on the rates of the minutes, p < 0.01 on one side

Ends with 1 where the operator's code rejects more than 1 % (and three standard errors) of challengers that keep their
bound or their margin.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from viridian.judgement.detector import Memory, Tally, detect, log_trial_weight, log_weight
from viridian.judgement.evidence import log_against_share
from viridian.judgement.split_test import RATIOS, Concurrent, Margin, SlotTallies, log_no_worse, log_worse

Counts = NDArray[np.int64]
Found = NDArray[np.float64]
"""The look at which a rule rejected the challenger, for each rollout; infinite where it never did."""
WINDOW: Final = 60
NEEDED: Final = math.log(100)
PROMOTE: Final = math.log(20)
BOUND: Final = 0.01
HOUR: Final = 3600
ALLOWED: Final = 0.01


def since_start(counts: Counts) -> Counts:
    """What had been counted before each look, and after the last one."""
    return np.concatenate([np.zeros((len(counts), 1), dtype=np.int64), counts.cumsum(axis=1)], axis=1)


def first(hits: NDArray[np.bool_]) -> Found:
    """The number of the first look that hits."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1).astype(float), math.inf)


# ---- against a bound


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


# ---- beside the champion


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
        begun = [start for start in self.steps if start < look]
        edges = [*begun, look]
        recent = [(n, self.split(rollout, n, look)) for n in range(max(begun[-1], look - WINDOW), look)]
        return Concurrent([self.split(rollout, *span) for span in pairwise(edges)], recent)


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
    evidence = evidence_at(seen, rollouts, looks)
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


def evidence_at(seen: Answers, rollouts: Counts, looks: Counts) -> Found:
    """What `log_worse` computes, for many rollouts and looks at once."""
    begun = np.array(seen.steps)[np.searchsorted(seen.steps, looks, side="left") - 1]
    trial = np.zeros((len(RATIOS), len(looks)))
    for start, end in pairwise((*seen.steps, seen.bad[0].shape[1])):
        trial += bets(seen, rollouts, np.minimum(start, looks), np.minimum(end, looks))
    total = np.exp(log_trial_weight() + trial).mean(axis=0)
    for age in range(1, WINDOW + 1):
        moments = looks - age
        weights = np.exp([log_weight(int(moment)) for moment in range(int(looks.max()) + 1)])[np.maximum(0, moments)]
        evidence = np.exp(bets(seen, rollouts, np.maximum(begun, moments), looks)).mean(axis=0)
        total += np.where(moments >= begun, weights * evidence, 0.0)
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
            steps = Concurrent(seen.known(rollout, look).steps)
            if log_no_worse(steps, MARGIN) >= PROMOTE:
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


# ---- tables


def share_of(found: Found, until: float = math.inf) -> float:
    return float(np.mean(found < until)) if math.isfinite(until) else float(np.mean(np.isfinite(found)))


def cell(found: Found, start: int = 0) -> str:
    """Share of rollouts, and the median and longest time."""
    times = found[np.isfinite(found)] - start
    if not len(times):
        return "0 %"
    return f"{100 * share_of(found):.1f} % @ {np.median(times):.0f} s (95 %: {np.quantile(times, 0.95):.0f} s)"


def table(title: str, cases: Sequence[tuple[str, int, Mapping[str, Found]]]) -> Iterator[str]:
    rules = list(cases[0][2])
    yield f"| {title} | {' | '.join(rules)} |"
    yield "|---" * (len(rules) + 1) + "|"
    for name, start, found in cases:
        yield f"| {name} | {' | '.join(cell(found[rule], start) for rule in rules)} |"


def too_often(cases: Sequence[tuple[str, int, Mapping[str, Found]]], rule: str) -> list[str]:
    """Cells in which a challenger that is good enough is rejected more often than is allowed."""
    return [
        f"{name}: {share_of(found[rule]):.2%} rejected"
        for name, _, found in cases
        if share_of(found[rule]) > ALLOWED + 3 * math.sqrt(ALLOWED / len(found[rule]))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judgement.canary", description=__doc__)
    parser.add_argument("--rollouts", type=int, default=2000, help="simulations of each cell (default: 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", choices=("bound", "champion"))
    chosen = parser.parse_args(arguments)
    problems: list[str] = []
    with ProcessPoolExecutor(chosen.processes) as pool:
        for title, cases in (("rejected", healthy()), ("found", leaking()), ("found after the break", breaking())):
            if chosen.only != "champion":
                judged = pool.map(partial(against_bound, rollouts=chosen.rollouts, seed=chosen.seed), cases)
                rows = [(case.name, case.start, found) for case, found in zip(cases, judged, strict=True)]
                print("\n".join(table(title, rows)), "\n", flush=True)
                problems += too_often(rows, "Viridian") if title == "rejected" else []
        if chosen.only != "bound":
            beside = pairs()
            judged = pool.map(partial(beside_champion, rollouts=chosen.rollouts, seed=chosen.seed), beside)
            rows = [(case.name, 0, found) for case, found in zip(beside, judged, strict=True)]
            print("\n".join(table("beside the champion, margin 50 %", rows)), flush=True)
            problems += too_often([row for row in rows if row[0].startswith(("as good", "at the"))], "Viridian, worse")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

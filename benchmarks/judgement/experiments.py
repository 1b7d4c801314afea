"""How often simulated experiments end with which verdict, as the operator's code judges them.

Outcomes are 1 or 0, with a share of 30 % of the champion's that swings by a third over the experiment. The smallest
effect of interest is 0.02, the confidence 0.95. An experiment gets 100,000 rows at most, and has:
  Fixed 50, Fixed 10   a look after each 200 rows, 500 in all, with 50 % and with 10 % of the traffic
  Thompson             40 intervals of 2,500 rows with a look after each; the share moves with each, the floor is 10
  peeked z-test        beside them, with the looks of Fixed 50: a difference with p < 0.05 ends it

Ends with 1 where more than 5 % of experiments without a difference end with Better or Worse, as far as chance allows
to tell, or where fewer than 80 % find the smallest effect of interest with Fixed 50.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np

from viridian.api.experiment_spec import ExperimentVerdict
from viridian.api.performance import Classified
from viridian.judgement.experiment import ComparedSpan, EffectInterval, effect_of, thompson_share, verdict_of
from viridian.judgement.metrics import Measured, mean_outcome

SHARE, SWING, EFFECT, CONFIDENCE = 0.3, 0.1, 0.02, 0.95
ROWS, LOOK, INTERVAL, FLOOR, LEAST = 100_000, 200, 2_500, 10, 1_000
DIFFERENCES: Final = {
    "none": 0.0,
    "half of the smallest effect": EFFECT / 2,
    "the smallest effect": EFFECT,
    "twice that": 2 * EFFECT,
    "worse by the smallest effect": -EFFECT,
}
_PEEKED: Final = 1.96
End = tuple[str, int, float]
"""The verdict, the rows until then, and how many of the outcomes were lost by not having the better version alone."""


def measured(hits: int, rows: int) -> Measured | None:
    return mean_outcome(Classified(classes=("no", "yes"), confusion=((rows - hits, 0), (0, hits))))


def effect(whole: ComparedSpan, spans: Sequence[ComparedSpan]) -> EffectInterval | None:
    return effect_of(whole, spans, higher_is_better=True, scale=EFFECT, confidence=CONFIDENCE)


def proved(found: EffectInterval | None) -> ExperimentVerdict | None:
    return verdict_of(found, smallest_effect=EFFECT, min_samples=LEAST) if found is not None else None


class Traffic:
    """Rows of one experiment, as they come in."""

    def __init__(self, chance: np.random.Generator, difference: float) -> None:
        self._chance, self._difference = chance, difference
        self.rows = 0
        self.lost = 0.0

    def answered(self, rows: int, weight: int) -> tuple[int, int, int, int]:
        """Rows and hits of the challenger, rows and hits of the champion."""
        base = SHARE + SWING * math.sin(2 * math.pi * self.rows / ROWS)
        ours = int(self._chance.binomial(rows, weight / 100))
        hits = int(self._chance.binomial(ours, base + self._difference))
        beside = int(self._chance.binomial(rows - ours, base))
        self.rows += rows
        self.lost += (rows - ours) * max(0.0, self._difference) + ours * max(0.0, -self._difference)
        return ours, hits, rows - ours, beside


def fixed(chance: np.random.Generator, difference: float, weight: int, peeked: bool = False) -> End:
    traffic, counts = Traffic(chance, difference), [0, 0, 0, 0]
    while traffic.rows < ROWS:
        counts = [sum(pair) for pair in zip(counts, traffic.answered(LOOK, weight), strict=True)]
        ours, hits, theirs, beside = counts
        whole = ComparedSpan(measured(hits, ours), measured(beside, theirs))
        found = effect(whole, [whole])
        verdict = _by_z(found) if peeked else proved(found)
        if verdict is not None:
            return verdict, traffic.rows, traffic.lost
    return ExperimentVerdict.INCONCLUSIVE, traffic.rows, traffic.lost


def _by_z(found: EffectInterval | None) -> ExperimentVerdict | None:
    if found is None or found.least_rows < LEAST or abs(found.effect) < _PEEKED * math.sqrt(found.variance):
        return None
    return ExperimentVerdict.BETTER if found.effect > 0 else ExperimentVerdict.WORSE


def thompson(chance: np.random.Generator, difference: float) -> End:
    traffic, counts, spans, weight = Traffic(chance, difference), [0, 0, 0, 0], [], 50
    while traffic.rows < ROWS:
        now = traffic.answered(INTERVAL, weight)
        counts = [sum(pair) for pair in zip(counts, now, strict=True)]
        spans.append(ComparedSpan(measured(now[1], now[0]), measured(now[3], now[2])))
        found = effect(ComparedSpan(measured(counts[1], counts[0]), measured(counts[3], counts[2])), spans)
        verdict = proved(found)
        if verdict is not None:
            return verdict, traffic.rows, traffic.lost
        weight = thompson_share(found, scale=EFFECT, floor=FLOOR)
    return ExperimentVerdict.INCONCLUSIVE, traffic.rows, traffic.lost


RULES: Final[Mapping[str, Callable[[np.random.Generator, float], End]]] = {
    "Fixed 50": partial(fixed, weight=50),
    "Fixed 10": partial(fixed, weight=10),
    "Thompson": thompson,
    "peeked z-test": partial(fixed, weight=50, peeked=True),
}


def cell(ends: Sequence[End]) -> str:
    verdicts = Counter(str(verdict) for verdict, _, _ in ends)
    shown = ", ".join(f"{name} {100 * count / len(ends):.1f} %" for name, count in verdicts.most_common())
    rows, lost = np.median([rows for _, rows, _ in ends]), np.mean([lost for _, _, lost in ends])
    return f"{shown} @ {rows:,.0f} rows, {lost:,.0f} lost"


def false(ends: Sequence[End]) -> float:
    return sum(verdict in (ExperimentVerdict.BETTER, ExperimentVerdict.WORSE) for verdict, _, _ in ends) / len(ends)


def table(experiments: int, seed: int) -> tuple[list[str], list[str]]:
    """The lines of the table, and what is worse than promised."""
    lines = [f"| difference | {' | '.join(RULES)} |", "|---" * (len(RULES) + 1) + "|"]
    bad: list[str] = []
    for name, difference in DIFFERENCES.items():
        chance = np.random.default_rng(seed)
        found = {rule: [run(chance, difference) for _ in range(experiments)] for rule, run in RULES.items()}
        lines.append(f"| {name} | {' | '.join(cell(ends) for ends in found.values())} |")
        print(lines[-1], flush=True)
        bad += _broken(name, found, experiments)
    return lines, bad


def _broken(name: str, found: dict[str, list[End]], experiments: int) -> Iterator[str]:
    allowed = 1 - CONFIDENCE
    if name == "none":
        for rule in ("Fixed 50", "Fixed 10", "Thompson"):
            if false(found[rule]) > allowed + 3 * math.sqrt(allowed / experiments):
                yield f"{rule}: {false(found[rule]):.1%} of experiments without a difference end with one"
    if name == "the smallest effect":
        power = sum(verdict is ExperimentVerdict.BETTER for verdict, _, _ in found["Fixed 50"]) / experiments
        if power < 0.8:
            yield f"Fixed 50 finds the smallest effect in {power:.1%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000, help="simulated experiments of each cell")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    lines, bad = table(arguments.experiments, arguments.seed)
    print("\n".join(["", *lines, "", *bad, f"{time.monotonic() - began:.0f} s"]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

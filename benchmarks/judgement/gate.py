"""How often the gate passes a candidate that is worse, equal or better, beside rules that compare two numbers.

Two models with an AUC about 0.80 score the same rows, 10 % of them positive; their scores have a correlation of 0.9
within each class. Every rule sees the same rows:
  NonInferior, Superior   the gate with its default confidence
  two numbers             NonInferior as it is where no interval is reported: not below the champion by more than 0.005
  naive                   the candidate's number is above the champion's
  MLflow                  MetricThreshold(min_absolute_change=0.001): the candidate's number is at least the champion's
                          + 0.001, as its documentation has it; the value must be positive

A second table asks one holdout about many candidates that are all worse: the chance that any of them passes.

Ends with 1 where a candidate that is worse by 0.010 passes NonInferior or Superior in more than 2 % of a cell.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from viridian.api.evaluation import DEFAULT_CONFIDENCE, HoldoutEvaluation, MetricComparison
from viridian.api.gate_spec import Gate, GateMetric, GateRule
from viridian.judgement.gate import judge
from viridian.judgement.gate_findings import Candidate, Champion
from viridian.training import delong

Numbers = NDArray[np.float64]
SIZES: Final = (500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
GAINS: Final = {"worse by 0.010": -0.010, "equal": 0.0, "better by 0.010": 0.010}
WORSE: Final = "worse by 0.010"
ALLOWED: Final = 0.02
AREA: Final = 0.80
POSITIVES: Final = 0.10
CORRELATION: Final = 0.9
CHAMPION: Final = Champion(version="1")
AUC: Final = (GateMetric(name="auc"),)
_QUANTILE: Final = float(stats.norm.ppf(DEFAULT_CONFIDENCE))


def non_inferior(margin: float) -> Gate:
    return Gate(metrics=AUC, margin=margin)


GATES: Final[Mapping[str, Gate]] = {
    "NonInferior 0.005": non_inferior(0.005),
    "NonInferior 0.010": non_inferior(0.010),
    "NonInferior 0.020": non_inferior(0.020),
    "Superior": Gate(metrics=AUC, rule=GateRule.SUPERIOR),
}
BY_NUMBERS: Final[Mapping[str, Callable[[float], bool]]] = {
    "two numbers": lambda difference: difference >= -0.005,
    "naive": lambda difference: difference > 0,
    "MLflow": lambda difference: difference >= 0.001,
}
HELD: Final = ("NonInferior 0.005", "Superior")
"""Rules under which a candidate that is worse by 0.010 is not acceptable: a margin of 0.010 allows just that."""


def holdout(chance: np.random.Generator, rows: int) -> tuple[NDArray[np.bool_], Numbers]:
    """Which rows are positive, and what all models see of them alike."""
    positive = np.zeros(rows, dtype=np.bool_)
    positive[: round(rows * POSITIVES)] = True
    return positive, np.sqrt(CORRELATION) * chance.normal(size=rows)


def scores(chance: np.random.Generator, positive: NDArray[np.bool_], shared: Numbers, area: float) -> Numbers:
    """Of a model with this true area: normal in each class (the binormal model)."""
    own = np.sqrt(1 - CORRELATION) * chance.normal(size=len(positive))
    return np.asarray(np.sqrt(2) * stats.norm.ppf(area) * positive + shared + own)


def beside(candidate: delong.Area, champion: delong.Area, rows: int, asked: int = 1) -> Candidate:
    """The evaluation of the two as a stage reports it."""
    error = delong.standard_error(candidate.influence - champion.influence)
    difference = candidate.value - champion.value
    low, high = difference - _QUANTILE * error, difference + _QUANTILE * error
    auc = MetricComparison(candidate=candidate.value, champion=champion.value, low=low, high=high)
    return Candidate(metrics={}, asked=asked, evaluation=HoldoutEvaluation(rows=rows, metrics={"auc": auc}))


# ---- one candidate on a fresh holdout

Passed = dict[tuple[str, str], int]


def passed(rows: int, rounds: int, seed: int) -> tuple[Passed, float]:
    """How often each rule passes each kind of candidate, and the mean standard error of the difference."""
    chance, counts, errors = np.random.default_rng([seed, rows]), Counter[tuple[str, str]](), []
    for _ in range(rounds):
        positive, shared = holdout(chance, rows)
        champion = delong.area(scores(chance, positive, shared, AREA), positive)
        for kind, gain in GAINS.items():
            candidate = delong.area(scores(chance, positive, shared, AREA + gain), positive)
            given, difference = beside(candidate, champion, rows), candidate.value - champion.value
            errors.append(delong.standard_error(candidate.influence - champion.influence))
            for name, gate in GATES.items():
                counts[name, kind] += judge(gate, given, CHAMPION).passed
            for name, rule in BY_NUMBERS.items():
                counts[name, kind] += rule(difference)
    return dict(counts), float(np.mean(errors))


def table(found: Mapping[int, tuple[Passed, float]], rounds: int) -> Iterator[str]:
    """Rows of the table, as Markdown."""
    yield (
        "| rule | candidate | " + " | ".join(f"{rows:,} (SE {error:.4f})" for rows, (_, error) in found.items()) + " |"
    )
    yield "|---" * (len(found) + 2) + "|"
    for rule in (*GATES, *BY_NUMBERS):
        for kind in GAINS:
            shares = (counts.get((rule, kind), 0) / rounds for counts, _ in found.values())
            yield f"| {rule} | {kind} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |"
    for margin in (0.005, 0.010, 0.020):
        shares = (stats.norm.cdf(margin / error - _QUANTILE) for _, error in found.values())
        name = f"NonInferior {margin:.3f} | equal, as the verdict states it"
        yield f"| {name} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |"


def too_often(found: Mapping[int, tuple[Passed, float]], rounds: int) -> list[str]:
    """Cells in which a worse candidate passes more often than is allowed."""
    return [
        f"{rule} passes a candidate that is {WORSE} in {counts[rule, WORSE] / rounds:.1%} of cases on {rows:,} rows"
        for rows, (counts, _) in found.items()
        for rule in HELD
        if counts.get((rule, WORSE), 0) > ALLOWED * rounds
    ]


# ---- many candidates on one holdout

ASKED: Final = 20
WORN: Final = (2000, 10_000)


def any_passes(rows: int, rounds: int, seed: int) -> Counter[str]:
    """How many holdouts pass at least one of twenty candidates that are all worse by 0.010."""
    chance, gate = np.random.default_rng([seed, rows, ASKED]), GATES["NonInferior 0.005"]
    found = Counter[str]()
    for _ in range(rounds):
        positive, shared = holdout(chance, rows)
        champion = delong.area(scores(chance, positive, shared, AREA), positive)
        some = set[str]()
        for asked in range(1, ASKED + 1):
            candidate = delong.area(scores(chance, positive, shared, AREA - 0.010), positive)
            counted, forgotten = (beside(candidate, champion, rows, times) for times in (asked, 1))
            difference = candidate.value - champion.value
            some |= {"counted"} if judge(gate, counted, CHAMPION).passed else set()
            some |= {"not counted"} if judge(gate, forgotten, CHAMPION).passed else set()
            some |= {name for name, rule in BY_NUMBERS.items() if rule(difference)}
        found.update(some)
    return found


def worn_table(found: Mapping[int, Counter[str]], rounds: int) -> Iterator[str]:
    yield f"| any of {ASKED} worse candidates passes | " + " | ".join(f"{rows:,} rows" for rows in found) + " |"
    yield "|---" * (len(found) + 1) + "|"
    for rule in ("counted", "not counted", *BY_NUMBERS):
        shares = (counts[rule] / rounds for counts in found.values())
        name = f"NonInferior 0.005, questions {rule}" if "counted" in rule else rule
        yield f"| {name} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |"


# ---- how long


def seconds(rows: int, times: int = 5) -> float:
    """The least time of two areas and their difference."""
    chance = np.random.default_rng(rows)
    positive, shared = holdout(chance, rows)
    one, other = (scores(chance, positive, shared, AREA) for _ in range(2))
    found = []
    for _ in range(times):
        began = time.perf_counter()
        delong.standard_error(delong.area(one, positive).influence - delong.area(other, positive).influence)
        found.append(time.perf_counter() - began)
    return min(found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judgement.gate", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000, help="simulations of each cell (default: 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args(arguments)
    worn_rounds = max(1, chosen.rounds // 4)
    with ProcessPoolExecutor(chosen.processes) as pool:
        largest_first = sorted(SIZES, reverse=True)
        judged = dict(
            zip(
                largest_first,
                pool.map(partial(passed, rounds=chosen.rounds, seed=chosen.seed), largest_first),
                strict=True,
            )
        )
        found = {rows: judged[rows] for rows in SIZES}
        print("\n".join(table(found, chosen.rounds)), "\n", flush=True)
        worn = dict(zip(WORN, pool.map(partial(any_passes, rounds=worn_rounds, seed=chosen.seed), WORN), strict=True))
        print("\n".join(worn_table(worn, worn_rounds)), "\n", flush=True)
    print(", ".join(f"{rows:,} rows: {1000 * seconds(rows):.1f} ms" for rows in SIZES))
    problems = too_often(found, chosen.rounds)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

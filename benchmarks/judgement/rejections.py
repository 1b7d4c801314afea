"""When a rule rejects simulated challengers, and tables of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

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


def share_of(found: Found, until: float = math.inf) -> float:
    return float(np.mean(found < until)) if math.isfinite(until) else float(np.mean(np.isfinite(found)))


def cell(found: Found, start: int = 0) -> str:
    """Share of rollouts, and the median and longest time."""
    times = found[np.isfinite(found)] - start
    if not len(times):
        return "0 %"
    return f"{100 * share_of(found):.1f} % @ {np.median(times):.0f} s (95 %: {np.quantile(times, 0.95):.0f} s)"


def table(
    title: str, cases: Sequence[tuple[str, int, Mapping[str, Found]]], more: Sequence[Mapping[str, str]] = ()
) -> Iterator[str]:
    """Lines of a table with a column for each rule, and those that `more` has for each case."""
    rules, others = list(cases[0][2]), list(more[0]) if more else []
    yield f"| {title} | {' | '.join([*rules, *others])} |"
    yield "|---" * (len(rules) + len(others) + 1) + "|"
    for number, (name, start, found) in enumerate(cases):
        beside = [more[number][other] for other in others]
        yield f"| {name} | {' | '.join([*(cell(found[rule], start) for rule in rules), *beside])} |"


def too_often(cases: Sequence[tuple[str, int, Mapping[str, Found]]], rule: str) -> list[str]:
    """Cells in which a challenger that is good enough is rejected more often than is allowed."""
    return [
        f"{name}: {share_of(found[rule]):.2%} rejected"
        for name, _, found in cases
        if share_of(found[rule]) > ALLOWED + 3 * math.sqrt(ALLOWED / len(found[rule]))
    ]

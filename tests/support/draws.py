"""Features and models as people have them, to draw rows of: where nothing has changed, nothing may fire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Chance = np.random.Generator
Values = NDArray[Any]
Draw = Callable[[Chance, int], Values]
Scored = Callable[[Chance, int, bool], tuple[NDArray[np.float64], NDArray[np.bool_]]]
"""Scores, and whether the outcome is positive; the flag says that the inputs have moved, and the concept has not."""


# ---- features


def equally_frequent(values: int) -> Draw:
    return weighted([1.0] * values)


def weighted(weights: Sequence[float] | Values) -> Draw:
    names = np.array([f"v{number}" for number in range(len(weights))], dtype=object)
    ends = np.cumsum(weights) / np.sum(weights)
    ends[-1] = 1.0
    return lambda chance, n: names[np.searchsorted(ends, chance.random(n), side="right")]


def with_gaps(draw: Draw, share: float) -> Draw:
    def rows(chance: Chance, n: int) -> Values:
        values = draw(chance, n)
        values = values.copy() if values.dtype == object else values.astype(np.float64)
        values[chance.random(n) < share] = None
        return values

    return rows


def _one_of(*values: float) -> Draw:
    return lambda chance, n: chance.choice(values, n)


def _differs(share: float) -> Draw:
    return lambda chance, n: np.where(chance.random(n) < share, 5.0, 3.0)


def _normal(chance: Chance, n: int) -> Values:
    return chance.normal(size=n)


def _constant(_: Chance, n: int) -> Values:
    return np.full(n, 3.0)


NUMBERS: Final[dict[str, Draw]] = {
    "normal": _normal,
    "constant": _constant,
    "1 row in 1,000 differs": _differs(0.001),
    "1 row in 5,000 differs": _differs(0.0002),
    "2 numbers": _one_of(0, 1),
    "3 numbers, one of them frequent": lambda chance, n: chance.choice([0.0, 1.0, 2.0], n, p=[0.9, 0.08, 0.02]),
    "5 numbers": _one_of(0, 1, 2, 3, 4),
    "60 numbers": lambda chance, n: chance.integers(0, 60, n).astype(np.float64),
    "rounded to halves": lambda chance, n: np.round(2 * chance.normal(size=n)) / 2,
    "rounded to whole numbers": lambda chance, n: np.round(chance.normal(40, 12, n)),
    "rounded to tenths": lambda chance, n: np.round(chance.lognormal(0, 0.5, n), 1),
    "exponential": lambda chance, n: chance.exponential(size=n),
    "lognormal, sigma 3": lambda chance, n: chance.lognormal(0, 3, n),
    "Cauchy": lambda chance, n: chance.standard_cauchy(n),
    "Pareto 1.1": lambda chance, n: chance.pareto(1.1, n),
    "99 % zeros": lambda chance, n: np.where(chance.random(n) < 0.99, 0.0, chance.lognormal(size=n)),
    "60 % zeros": lambda chance, n: np.where(chance.random(n) < 0.6, 0.0, chance.lognormal(size=n)),
    "two peaks": lambda chance, n: chance.normal(size=n) + 10 * (chance.random(n) < 0.3),
    "0.1 % missing": with_gaps(_normal, 0.001),
    "1 % missing": with_gaps(_normal, 0.01),
    "half missing": with_gaps(_normal, 0.5),
}
CATEGORIES: Final[dict[str, Draw]] = {
    "constant text": equally_frequent(1),
    "text, 1 row in 1,000 differs": weighted([0.999, 0.001]),
    "flags": lambda chance, n: chance.random(n) < 0.3,
    **{f"{values:,} values": equally_frequent(values) for values in (2, 5, 20, 90, 110, 150, 300, 1000, 10_000)},
    "Zipf 1": weighted(1 / np.arange(1, 5001)),
    "Zipf 1.5": weighted(np.arange(1, 5001) ** -1.5),
    "geometric, 1/2": weighted(0.5 ** np.arange(40)),
    "geometric, 9/10": weighted(0.9 ** np.arange(200)),
    "4 values and misspellings": weighted([0.3, 0.3, 0.2, 0.19] + [1e-5] * 1000),
    "300 values, half missing": with_gaps(equally_frequent(300), 0.5),
    "ids": lambda chance, n: chance.integers(0, 1 << 62, n).astype(str).astype(object),
}


# ---- models of two classes


def _few_scores(
    scores: Sequence[float], right: Sequence[float], usual: Sequence[float], moved: Sequence[float]
) -> Scored:
    """Scores, the share of positives among the rows of each, and how frequent each is at first and after a shift."""

    def rows(chance: Chance, n: int, shifted: bool) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        drawn = chance.choice(len(scores), n, p=moved if shifted else usual)
        return np.array(scores, dtype=np.float64)[drawn], chance.random(n) < np.array(right)[drawn]

    return rows


def _calibrated(usual: Draw, moved: Draw) -> Scored:
    def rows(chance: Chance, n: int, shifted: bool) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        drawn = (moved if shifted else usual)(chance, n)
        return drawn, chance.random(n) < drawn

    return rows


def _beta(a: float, b: float) -> Draw:
    return lambda chance, n: chance.beta(a, b, n)


def _logistic(middle: float, spread: float) -> Draw:
    return lambda chance, n: 1 / (1 + np.exp(-chance.normal(middle, spread, n)))


def _half_alike(share: float) -> Draw:
    return lambda chance, n: np.where(chance.random(n) < share, 0.02, chance.beta(2, 2, n))


def _hundredths(a: float, b: float) -> Draw:
    return lambda chance, n: np.round(chance.beta(a, b, n), 2)


MODELS: Final[dict[str, Scored]] = {
    "scores 0 and 1, right in 90 %": _few_scores([0, 1], [0.1, 0.9], [0.5, 0.5], [0.7, 0.3]),
    "scores 0.2 and 0.8": _few_scores([0.2, 0.8], [0.2, 0.8], [0.5, 0.5], [0.3, 0.7]),
    "a tree of 3 leaves": _few_scores([0.05, 0.4, 0.9], [0.05, 0.4, 0.9], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]),
    "5 nearest neighbours": _few_scores(
        [0, 0.2, 0.4, 0.6, 0.8, 1],
        [0.04, 0.2, 0.4, 0.6, 0.8, 0.97],
        [0.4, 0.15, 0.05, 0.05, 0.15, 0.2],
        [0.1, 0.2, 0.2, 0.2, 0.2, 0.1],
    ),
    "one score for all rows": _few_scores([0.3], [0.3], [1.0], [1.0]),
    "100 trees": _calibrated(_hundredths(0.5, 0.7), _hundredths(1, 1)),
    "one score for half of the rows": _calibrated(_half_alike(0.5), _half_alike(0.2)),
    "smooth": _calibrated(_beta(2, 5), _beta(3, 4)),
    "smooth, nearly always sure": _calibrated(_beta(0.3, 0.3), _beta(0.6, 0.6)),
    "2 % positives": _calibrated(_logistic(-5, 1.5), _logistic(-4, 1.5)),
    "0.5 % positives": _calibrated(_logistic(-6, 1.2), _logistic(-5, 1.2)),
}

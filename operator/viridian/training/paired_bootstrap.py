"""Bootstrap standard errors of differences of metrics that are functions of sums over rows.

A resample draws rows with replacement, candidate and champion together, and as many of each label as there are:
stratified and paired (Efron and Tibshirani, 1993, An introduction to the bootstrap). Each metric is a function of sums
of a few columns, so that a resample is one vector of counts, and one product with the matrix of all columns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Sums = NDArray[np.float64]
"""Sums of the columns, or one row of them for each resample."""
MAX_RESAMPLES: Final = 1000
MIN_RESAMPLES: Final = 200
_DRAWS: Final = 20_000_000
"""Rows that are drawn in all, where that lies between the two."""
_COUNTS_AT_ONCE: Final = 1_000_000
_SEED: Final = 20
"""The same rows give the same bounds each time."""


@dataclass(frozen=True, slots=True)
class Summed:
    """The columns that a model's metrics are made of, and how."""

    columns: NDArray[np.float64]
    metrics: Mapping[str, Callable[[Sums], NDArray[np.float64]]]

    def only(self, names: Collection[str]) -> Summed:
        """The same columns for these metrics alone."""
        return Summed(self.columns, {name: metric for name, metric in self.metrics.items() if name in names})

    def values(self) -> dict[str, float]:
        """The metrics on all rows."""
        sums = self.columns.sum(axis=0)[np.newaxis]
        return {name: float(metric(sums)[0]) for name, metric in self.metrics.items()}


@dataclass(frozen=True, slots=True)
class PairedErrors:
    """Standard errors of one metric's difference, and of its relative difference, candidate / champion - 1."""

    difference: float
    relative: float | None
    """None where the champion's number is 0 or below."""


def resamples_for(rows: int) -> int:
    """As many as take about a second: a standard error of 200 is right within 5 %."""
    return int(np.clip(_DRAWS // max(1, rows), MIN_RESAMPLES, MAX_RESAMPLES))


def paired_errors(candidate: Summed, champion: Summed, strata: NDArray[Any]) -> Mapping[str, PairedErrors]:
    """By metric that both have; `strata` are the labels of the rows, or the same for all."""
    width = candidate.columns.shape[1]
    both = np.hstack([candidate.columns, champion.columns])
    drawn = _resampled_sums(both, strata)
    found = {}
    values, others = candidate.values(), champion.values()
    for name in (name for name in values if name in others):
        ours, theirs = candidate.metrics[name](drawn[:, :width]), champion.metrics[name](drawn[:, width:])
        found[name] = PairedErrors(_spread(ours - theirs), _relative(ours, theirs, values[name], others[name]))
    return found


def _resampled_sums(columns: NDArray[np.float64], strata: NDArray[Any]) -> Sums:
    _, numbers = np.unique(strata, return_inverse=True)
    by_stratum, sizes = columns[np.argsort(numbers, kind="stable")], np.bincount(numbers)
    resamples, chance = resamples_for(len(columns)), np.random.default_rng(_SEED)
    batch = max(1, _COUNTS_AT_ONCE // len(columns))
    sums = [_counts(chance, sizes, min(batch, resamples - done)) @ by_stratum for done in range(0, resamples, batch)]
    return np.concatenate(sums)


def _counts(chance: np.random.Generator, sizes: NDArray[np.int64], resamples: int) -> NDArray[np.float64]:
    """How often each row was drawn, for so many resamples; the rows of a stratum stand together."""
    drawn = [_drawn(chance, int(size), resamples) for size in sizes]
    return np.hstack(drawn)


def _drawn(chance: np.random.Generator, size: int, resamples: int) -> NDArray[np.float64]:
    """For one stratum. Each resample counts in a range of its own, so that one call counts all."""
    rows = chance.integers(0, size, (resamples, size)) + size * np.arange(resamples)[:, np.newaxis]
    return np.bincount(rows.ravel(), minlength=resamples * size).reshape(resamples, size).astype(np.float64)


def _relative(ours: Sums, theirs: Sums, value: float, other: float) -> float | None:
    """Linear in both, so that a resample whose champion has almost nothing does not blow it up."""
    return _spread((ours - value / other * theirs) / other) if other > 0 else None


def _spread(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.std(ddof=1)) if len(finite) > 1 else 0.0

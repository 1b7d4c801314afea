"""Sketches of arrays: the reference profile of training rows, and later rows counted on the same bins.

One column at a time, sorted: the distinct quantiles, the counts and the missing values are then read off the sorted
column. So rows that do not fit into memory can be sketched column by column, as Parquet keeps them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viridian.api.privacy import plain
from viridian.api.profile import MAX_CATEGORIES, MAX_EDGES, SCORE_GRID, Calibration, Categories, Numbers, Sketch
from viridian.judgement.merging import merge_sketches

LEAST_ROWS_TO_BE_NAMED: Final = 5
"""A value that fewer training rows have may belong to one person, and profiles hold nothing about persons."""
_LARGEST: Final = 1e150
"""Numbers beyond it count as infinite, as in the server's live profile: their squares would be."""
_SEED: Final = 1
"""Of the halves that choose names and are counted: the same rows make the same profile."""
_SORT_CHUNK: Final = 1 << 16
"""Values that fit into a core's cache: in such parts they are sorted in three quarters of the time."""


def sketches(columns: Iterable[tuple[str, NDArray[Any]]]) -> dict[str, Sketch]:
    """The sketch of each column, by name; only one of them is held at a time."""
    return {name: sketch(values) for name, values in columns}


def sketch(values: NDArray[Any]) -> Sketch:
    """Of reference values: numbers on their own quantiles, flags and text by name."""
    return numbers(values) if values.dtype.kind in "fiu" else categories(values)


def counted_on(reference: Sketch, values: NDArray[Any]) -> Sketch:
    """Other values, counted on the bins of a reference."""
    if isinstance(reference, Categories):
        return categories(values, reference.names)
    line = np.asarray(values).ravel()
    starts = range(0, max(1, len(line)), _SORT_CHUNK)
    parts: Iterable[Sketch] = (numbers(line[start : start + _SORT_CHUNK], reference.edges) for start in starts)
    return reduce(merge_sketches, parts)


def numbers(values: NDArray[Any], edges: Sequence[float] | None = None) -> Numbers:
    """Of values on a line; without edges, on their own distinct quantiles."""
    line = np.sort(np.asarray(values).ravel())
    # NaN sorts behind everything else.
    known = int(np.searchsorted(line, np.nan)) if line.dtype.kind == "f" else len(line)
    missing, line = len(line) - known, line[:known]
    chosen = quantile_edges(line) if edges is None else np.asarray(edges, dtype=np.float64)
    line = line.astype(np.float64, copy=False)
    ends = np.searchsorted(line, chosen, side="right")
    usable = line[np.searchsorted(line, -_LARGEST, side="right") : np.searchsorted(line, _LARGEST)]
    mean = float(usable.mean()) if len(usable) else 0.0
    apart = usable - mean
    return Numbers(
        edges=tuple(chosen.tolist()),
        counts=tuple(np.diff(ends, prepend=0, append=known).tolist()),
        missing=missing,
        mean=mean,
        # No dot product: BLAS would put threads of its own on it, which wait for each other on a busy computer.
        m2=float(np.square(apart, out=apart).sum()),
        finite=len(usable),
        minimum=float(usable[0]) if len(usable) else None,
        maximum=float(usable[-1]) if len(usable) else None,
    )


def scores(values: NDArray[np.float64], threshold: float) -> Numbers:
    """Of probabilities of the positive class: on quantiles, and where the label or the multiple of SCORE_GRID changes.

    The expected performance is estimated from live scores, which may go where the holdout had few.
    """
    grid = (place * SCORE_GRID for place in range(1, round(1 / SCORE_GRID)))
    return numbers(values, quantile_edges(np.sort(values[~np.isnan(values)]), (*grid, threshold)).tolist())


def quantile_edges(line: NDArray[Any], also: Sequence[float] = ()) -> NDArray[np.float64]:
    """Edges for sorted values. Where the values are few, each has a bin of its own; else the bins hold equally many.

    `also`: where there has to be an edge, whatever the quantiles are.

    An edge lies midway between a quantile and the next greater value, which is a quantile of the same order: a number
    that is computed in 32 bits, or summed in another order, then stays in its bin. The greatest value has no edge, or
    the last bin would be empty in the reference. A lone value has one on either side.
    """
    finite = line[np.searchsorted(line, -np.inf, side="right") : np.searchsorted(line, np.inf)]
    if not len(finite):
        return np.empty(0)
    firsts = np.flatnonzero(finite[1:] != finite[:-1]) + 1
    if not len(firsts):
        return _around(float(finite[0]))
    if len(firsts) > MAX_EDGES:
        # The smallest value that at least so large a share of the values does not exceed.
        parts = MAX_EDGES + 1 - len(also)
        places = -(-np.arange(1, parts) * len(finite) // parts) - 1
        following = np.searchsorted(firsts, places, side="right")
        beside = np.searchsorted(firsts, np.searchsorted(finite, np.array(also), side="right"))
        chosen = np.unique(np.concatenate([following, beside]))
        firsts = firsts[chosen[chosen < len(firsts)]]
    return _midway(finite[firsts - 1].astype(np.float64), finite[firsts].astype(np.float64))


def _midway(below: NDArray[np.float64], above: NDArray[np.float64]) -> NDArray[np.float64]:
    middle = np.maximum(below / 2 + above / 2, below)
    return np.where(middle < above, middle, below)


def _around(value: float) -> NDArray[np.float64]:
    """As far away as the next number of 32 bits."""
    with np.errstate(over="ignore"):
        step = float(np.spacing(np.float32(abs(value))))
    return np.array([value - step, value + step]) if np.isfinite(step) else np.array([value])


def categories(values: NDArray[Any], names: Sequence[str] | None = None) -> Categories:
    """Of flags and text; without names, by the most frequent of their own. None and NaN are missing.

    Where some values get no name, one half of the rows, drawn at random, chooses the names and only the other half is
    counted. Rows that have made a name one of the most frequent ones show it more often than later rows do: their
    share of all other values would be too small, and every later window would seem to hold new ones.
    """
    line = np.asarray(values).ravel()
    counts, missing = _by_name(line)
    if names is not None:
        return _categories(counts, missing, tuple(names))
    chosen = _frequent(counts)
    if len(chosen) == len(counts):
        return _categories(counts, missing, chosen)
    choosing = np.random.default_rng(_SEED).permutation(len(line)) < len(line) // 2
    half, gaps = _by_name(line[choosing])
    chosen = _frequent(half)
    return _categories(counts - half, missing - gaps, chosen) if chosen else _categories(counts, missing, ())


def _by_name(line: NDArray[Any]) -> tuple[Counter[str], int]:
    """How often each value occurs, and how many are missing."""
    counts: Counter[str] = Counter()
    missing = 0
    for value, count in Counter(line.tolist()).items():
        if value is None or value != value:
            missing += count
        else:
            counts[plain(value)] += count
    return counts, missing


def _categories(counts: Counter[str], missing: int, names: tuple[str, ...]) -> Categories:
    named = tuple(counts[name] for name in names)
    return Categories(names=names, counts=named, other=counts.total() - sum(named), missing=missing)


def _frequent(counts: Counter[str]) -> tuple[str, ...]:
    """The most frequent first; equally frequent ones by name, so that the same rows make the same profile."""
    nameable = [name for name, count in counts.items() if count >= LEAST_ROWS_TO_BE_NAMED]
    return tuple(sorted(nameable, key=lambda name: (-counts[name], name))[:MAX_CATEGORIES])


def calibration(scores: NDArray[np.float64], positive: NDArray[np.bool_], edges: Sequence[float]) -> Calibration:
    """How scores and labels went together, by the bins of the scores' sketch."""
    bins = np.searchsorted(np.asarray(edges), scores, side="left")
    size = len(edges) + 1
    return Calibration(
        rows=tuple(np.bincount(bins, minlength=size).tolist()),
        scores=tuple(np.bincount(bins, scores, size).tolist()),
        positives=tuple(np.bincount(bins[positive], minlength=size).tolist()),
    )

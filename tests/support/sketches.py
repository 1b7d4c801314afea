"""Sketches of values by the words of `viridian.api.profile`, counted the plain way."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from viridian.api.performance import SCORE_BINS, Classified, Regressed, score_bin
from viridian.api.profile import Categories, Numbers, Profile, Sketch


def edges_of(values: Sequence[float], bins: int = 20) -> tuple[float, ...]:
    """The distinct quantiles of the values."""
    ordered = sorted(value for value in values if math.isfinite(value))
    quantiles = {ordered[min(len(ordered) - 1, len(ordered) * part // bins)] for part in range(1, bins)}
    return tuple(sorted(quantiles))


def numbers(values: Iterable[float | None], edges: Sequence[float]) -> Numbers:
    """None and NaN are missing."""
    listed = list(values)
    there = [value for value in listed if value is not None and not math.isnan(value)]
    finite = [value for value in there if math.isfinite(value)]
    counts = [0] * (len(edges) + 1)
    for value in there:
        counts[bisect_left(edges, value)] += 1
    mean = sum(finite) / len(finite) if finite else 0.0
    return Numbers(
        edges=tuple(edges),
        counts=tuple(counts),
        missing=len(listed) - len(there),
        mean=mean,
        m2=sum((value - mean) * (value - mean) for value in finite),
        finite=len(finite),
        minimum=min(there, default=None),
        maximum=max(there, default=None),
    )


def categories(values: Iterable[str | None], names: Sequence[str]) -> Categories:
    """None is missing."""
    found = Counter(values)
    return Categories(
        names=tuple(names),
        counts=tuple(found[name] for name in names),
        other=sum(count for value, count in found.items() if value is not None and value not in names),
        missing=found[None],
    )


def profile(features: dict[str, Sketch], prediction: Sketch, rows: int) -> Profile:
    return Profile(features=features, prediction=prediction, rows=rows, sampled=rows)


def classified(
    actual: Sequence[str], predicted: Sequence[str], classes: Sequence[str], scores: Sequence[float] = ()
) -> Classified:
    """The joined rows; with scores for two classes, of which the second is the positive one."""
    pairs = Counter(zip(actual, predicted, strict=True))
    positives, negatives, loss, squared = [0] * SCORE_BINS, [0] * SCORE_BINS, 0.0, 0.0
    for truth, score in zip(actual, scores, strict=False):
        positive = truth == classes[1]
        (positives if positive else negatives)[score_bin(score)] += 1
        chance = score if positive else 1 - score
        loss -= math.log(max(chance, 1e-15))
        squared += (1 - chance) ** 2
    return Classified(
        classes=tuple(classes),
        confusion=tuple(tuple(pairs[a, p] for p in classes) for a in classes),
        score_positives=tuple(positives) if scores else (),
        score_negatives=tuple(negatives) if scores else (),
        log_loss=loss,
        squared_error=squared,
    )


def regressed(actual: Sequence[float], predicted: Sequence[float]) -> Regressed:
    errors = [p - a for a, p in zip(actual, predicted, strict=True)]
    return Regressed(
        rows=len(errors),
        error=sum(errors),
        absolute_error=sum(map(abs, errors)),
        squared_error=sum(error**2 for error in errors),
        fourth_power_error=sum(error**4 for error in errors),
        outcome=sum(actual),
        squared_outcome=sum(value**2 for value in actual),
    )

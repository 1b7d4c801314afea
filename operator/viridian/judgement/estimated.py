"""Performance without outcomes: what a model with two classes is likely to achieve on rows with known scores.

Confidence-based estimation: among rows whose score is s, a share c(s) is expected to be positive, where c is how scores
and labels went together on the holdout. So the expected counts of hits and misses follow from the scores alone. That
holds while c holds: inputs may move, the relation of inputs and outcomes may not. Always shown as an estimate.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from viridian.api.performance import SCORE_BINS, Metric
from viridian.api.profile import Calibration, Numbers
from viridian.judgement.metrics import Measured, estimated


def estimate(metric: Metric, scores: Numbers, calibration: Calibration, threshold: float) -> Measured | None:
    """The metric that is to be expected of these scores; None where nothing can be expected.

    `threshold`: a score above it was answered with the positive class.
    """
    expected = [0.0] * SCORE_BINS, [0.0] * SCORE_BINS
    # Actual by predicted, as in viridian.api.performance.
    confusion = [[0.0, 0.0], [0.0, 0.0]]
    chances = _Chances(calibration)
    for low, high, rows in _pieces(scores, threshold):
        middle = (low + high) / 2
        chance, bin_ = chances.at(middle), min(SCORE_BINS - 1, int(middle * SCORE_BINS))
        for positive, share in ((1, chance), (0, 1 - chance)):
            expected[1 - positive][bin_] += rows * share
            confusion[positive][int(middle > threshold)] += rows * share
    if not any(map(sum, confusion)):
        return None
    return estimated(metric, *expected, confusion)


def _pieces(scores: Numbers, threshold: float) -> Iterator[tuple[float, float, float]]:
    """Intervals of scores with their rows, cut where the score's bin or the label changes."""
    curve = _Cumulative(scores)
    places = sorted({0.0, 1.0, min(1.0, max(0.0, threshold)), *(bin_ / SCORE_BINS for bin_ in range(1, SCORE_BINS))})
    below = [curve.at(place) for place in places]
    for (low, high), (before, after) in zip(pairwise(places), pairwise(below), strict=True):
        if after > before:
            yield low, high, after - before


class _Cumulative:
    """Rows with a score of at most so much: a smooth curve that rises through the counts at the edges.

    Cubic between the edges with Fritsch and Carlson's slopes (1980, in the form of their equation for monotone data by
    harmonic means), since straight lines put too many rows at the far end of a wide outer bin.
    """

    def __init__(self, scores: Numbers) -> None:
        lowest = min(1.0, max(0.0, scores.minimum if scores.minimum is not None else 0.0))
        highest = min(1.0, max(lowest, scores.maximum if scores.maximum is not None else 1.0))
        edges = [min(highest, max(lowest, edge)) for edge in scores.edges]
        known = dict(zip([*edges, highest], accumulate(scores.counts), strict=True))
        self._total = float(sum(scores.counts))
        self._x, self._y = [lowest], [0.0]
        for place, rows in sorted(known.items()):
            if place > self._x[-1]:
                self._x.append(place)
                self._y.append(float(rows))
        self._slopes = _slopes(self._x, self._y)

    def at(self, score: float) -> float:
        if score >= self._x[-1] or len(self._x) < 2:
            return self._total if score >= self._x[-1] else 0.0
        if score < self._x[0]:
            return 0.0
        place = max(1, bisect_left(self._x, score))
        (x0, x1), (y0, y1) = self._x[place - 1 : place + 1], self._y[place - 1 : place + 1]
        width = x1 - x0
        t = (score - x0) / width
        rise, slope0, slope1 = y1 - y0, self._slopes[place - 1] * width, self._slopes[place] * width
        return y0 + rise * t * t * (3 - 2 * t) + slope0 * t * (1 - t) ** 2 - slope1 * t * t * (1 - t)


def _slopes(x: Sequence[float], y: Sequence[float]) -> list[float]:
    """Slopes at the places through which a cubic rises wherever the counts do."""
    secants = [(y1 - y0) / (x1 - x0) for (x0, x1), (y0, y1) in zip(pairwise(x), pairwise(y), strict=True)]
    inner = [2 * one * other / (one + other) if one + other > 0 else 0.0 for one, other in pairwise(secants)]
    # The density runs out towards the ends, as it does where scores are rare.
    return [0.0, *inner, 0.0]


class _Chances:
    """The share of positives by score: straight lines between the bins of the holdout, made to rise."""

    def __init__(self, calibration: Calibration) -> None:
        self._scores, self._shares = _rising(calibration)

    def at(self, score: float) -> float:
        if not self._scores:
            return score
        place = bisect_left(self._scores, score)
        if place in (0, len(self._scores)):
            return self._shares[min(place, len(self._scores) - 1)]
        before, after = self._scores[place - 1], self._scores[place]
        part = (score - before) / (after - before) if after > before else 1.0
        return self._shares[place - 1] + part * (self._shares[place] - self._shares[place - 1])


def _rising(calibration: Calibration) -> tuple[list[float], list[float]]:
    """Mean score and share of positives of each bin; neighbours that would fall are pooled."""
    pooled: list[list[float]] = []
    for rows, scores, positives in zip(calibration.rows, calibration.scores, calibration.positives, strict=True):
        if rows <= 0:
            continue
        pooled.append([float(rows), scores, float(positives)])
        while len(pooled) > 1 and pooled[-2][2] / pooled[-2][0] >= pooled[-1][2] / pooled[-1][0]:
            last = pooled.pop()
            pooled[-1] = [one + other for one, other in zip(pooled[-1], last, strict=True)]
    return _column(pooled, 1), _column(pooled, 2)


def _column(pooled: Sequence[Sequence[float]], which: int) -> list[float]:
    return [part[which] / part[0] for part in pooled]

"""Performance without outcomes: what a model with two classes is likely to achieve on rows with known scores.

Confidence-based estimation: among rows whose score is s, a share c(s) is expected to be positive, where c is how scores
and labels went together on the holdout. So the expected counts of hits and misses follow from the scores alone. That
holds while c holds: inputs may move, the relation of inputs and outcomes may not. Always shown as an estimate.

Within a bin of the sketch, live scores are taken to lie where those of the holdout lay. So nothing is smeared: a model
that gives few different scores, as trees and nearest neighbours do, has a bin for each.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from viridian.api.performance import PerformanceMetric
from viridian.api.profile import Calibration, Numbers
from viridian.judgement.metrics import Measured, estimated


@dataclass(frozen=True, slots=True)
class _Point:
    """Rows that count as if they had one score."""

    score: float
    rows: float
    chance: float
    """The share of them that is expected to be positive."""


def estimate(metric: PerformanceMetric, scores: Numbers, calibration: Calibration, threshold: float) -> Measured | None:
    """The metric that is to be expected of these scores; None where nothing can be expected.

    `threshold`: a score above it was answered with the positive class.
    """
    points = list(_points(scores, _Chances(calibration)))
    positives = [point.rows * point.chance for point in points]
    negatives = [point.rows * (1 - point.chance) for point in points]
    # Actual by predicted, as in viridian.api.performance.
    confusion = [[0.0, 0.0], [0.0, 0.0]]
    for point, positive, negative in zip(points, positives, negatives, strict=True):
        label = int(point.score > threshold)
        confusion[1][label] += positive
        confusion[0][label] += negative
    if not any(map(sum, confusion)):
        return None
    found = estimated(metric, [point.score for point in points], positives, negatives, confusion)
    return None if found is None else replace(found, error=found.error * _unsure(sum(scores.counts), calibration))


def _unsure(rows: int, calibration: Calibration) -> float:
    """How much wider the error is since what scores mean was learnt from so few rows."""
    held = sum(calibration.rows)
    return math.sqrt(1 + rows / held) if held else 1.0


def _points(scores: Numbers, chances: _Chances) -> Iterator[_Point]:
    """The lowest score first."""
    lowest = min(1.0, max(0.0, scores.minimum if scores.minimum is not None else 0.0))
    highest = min(1.0, max(lowest, scores.maximum if scores.maximum is not None else 1.0))
    lows, highs = (lowest, *scores.edges), (*scores.edges, highest)
    for place, rows in enumerate(scores.counts):
        if rows <= 0:
            continue
        first = bisect_right(chances.scores, scores.edges[place - 1]) if place else 0
        last = bisect_right(chances.scores, scores.edges[place]) if place < len(scores.edges) else len(chances.scores)
        if known := sum(chances.rows[first:last]):
            for cell in range(first, last):
                yield _Point(chances.scores[cell], rows * chances.rows[cell] / known, chances.shares[cell])
        else:
            low, high = (min(highest, max(lowest, end)) for end in (lows[place], highs[place]))
            yield _Point((low + high) / 2, rows, chances.at((low + high) / 2))


class _Chances:
    """The share of positives by score in each bin of the holdout, made to rise; straight lines between them."""

    def __init__(self, calibration: Calibration) -> None:
        held = zip(calibration.rows, calibration.scores, calibration.positives, strict=True)
        known = [(float(rows), total / rows, float(positives)) for rows, total, positives in held if rows > 0]
        self.rows = [rows for rows, _, _ in known]
        self.scores = [score for _, score, _ in known]
        self.shares = _rising(self.rows, [positives for _, _, positives in known])

    def at(self, score: float) -> float:
        if not self.scores:
            return score
        place = bisect_left(self.scores, score)
        if place in (0, len(self.scores)):
            return self.shares[min(place, len(self.scores) - 1)]
        before, after = self.scores[place - 1], self.scores[place]
        part = (score - before) / (after - before) if after > before else 1.0
        return self.shares[place - 1] + part * (self.shares[place] - self.shares[place - 1])


def _rising(rows: Sequence[float], positives: Sequence[float]) -> list[float]:
    """The share of positives of each bin; of neighbours that would fall, their common one."""
    pooled: list[tuple[float, float, int]] = []
    for count, positive in zip(rows, positives, strict=True):
        pooled.append((count, positive, 1))
        while len(pooled) > 1 and pooled[-2][1] / pooled[-2][0] >= pooled[-1][1] / pooled[-1][0]:
            (r0, p0, n0), (r1, p1, n1) = pooled[-2:]
            pooled[-2:] = [(r0 + r1, p0 + p1, n0 + n1)]
    return [positive / count for count, positive, bins in pooled for _ in range(bins)]

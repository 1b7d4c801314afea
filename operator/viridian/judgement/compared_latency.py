"""Which answers of challenger and champion count as slow where their latencies are compared.

Slow is what takes longer than the champion's own quantile, and for the challenger the margin more. Both limits lie
within buckets of histograms, which are coarser than most margins. Spread evenly in its bucket, more answers would seem
slow than are, since times have tails: the champion would seem slower than it is, and a challenger at the margin within
it. So between two bounds times are taken to be lognormal, which they are roughly wherever many small delays add up.

How the answers of a bucket are split is the same for all spans of a trial. So what is slow can be counted, and the
counts of two spans add up.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist
from typing import Final

from viridian.judgement.canary import LATENCIES, Bound
from viridian.judgement.counts import Counts
from viridian.judgement.split_test import Margin

_NORMAL: Final = NormalDist()
_ENOUGH_TO_TIME: Final = 200
"""Answers of the champion from which its quantile is known well enough to compare latencies with."""
_LIKE_THE_CHAMPION: Final = 20
"""Answers in the tail of a challenger that are taken to be spread as the champion's, until it has many of its own."""


def slow_answers(bound: Bound, margin: Margin, challenger: Counts, champion: Counts) -> tuple[Bound, Bound] | None:
    """What counts as slow of the challenger and of the champion; None where the champion has answered too little."""
    if champion.timed < _ENOUGH_TO_TIME:
        return None
    quantile = _quantile(champion, LATENCIES[bound.name])
    if quantile is None:
        return None
    allowed = quantile * (1 + margin.relative) + margin.absolute
    return (
        replace(bound, limit=allowed, beyond=_beyond(challenger, champion, allowed)),
        replace(bound, limit=quantile, beyond=_beyond(champion, champion, quantile)),
    )


def _quantile(counts: Counts, share: float) -> float | None:
    """Seconds within which that share of the answers came."""
    wanted, before, floor = share * counts.timed, 0.0, 0.0
    for bound, count in counts.latency:
        if count >= wanted and count > before:
            if math.isinf(bound):
                return floor
            if floor <= 0:
                return bound * wanted / count
            low, high = _deviation(before, counts.timed), _deviation(count, counts.timed)
            inside = (_deviation(wanted, counts.timed) - low) / (high - low)
            return floor * math.pow(bound / floor, inside)
        before, floor = count, bound
    return None


def _beyond(counts: Counts, like: Counts, seconds: float) -> float | None:
    """The part of the answers in the bucket of so many seconds that takes longer; None where it cannot be estimated."""
    floor, slower, prior = 0.0, counts.timed, like.timed
    for (bound, count), (_, known) in zip(counts.latency, like.latency, strict=False):
        if seconds < bound:
            if math.isinf(bound) or min(floor, prior) <= 0:
                return None
            if slower <= 0:
                return _beyond(like, like, seconds)
            as_known = _LIKE_THE_CHAMPION * (like.timed - known) / prior
            last = slower * (counts.timed - count + as_known) / (slower + _LIKE_THE_CHAMPION)
            low, high = _deviation(counts.timed - slower, counts.timed), _deviation(counts.timed - last, counts.timed)
            inside = math.log(seconds / floor) / math.log(bound / floor)
            beyond = counts.timed * (1 - _NORMAL.cdf(low + inside * (high - low)))
            return min(1.0, max(0.0, (beyond - last) / (slower - last))) if slower > last else 1 - inside
        floor, slower, prior = bound, counts.timed - count, like.timed - known
    return None


def _deviation(count: float, total: float) -> float:
    """How many standard deviations from the middle so many of all lie; those at the ends half an answer inside."""
    return _NORMAL.inv_cdf(min(max(count, 0.5), total - 0.5) / total) if total > 1 else 0.0

"""How far one distribution is from another, by what was counted of both.

Every function gives the effect with its lower bound. Where nothing has changed, the bound is above 0 in one case of 740
at most, whatever the distribution: the bounds come from standard errors or from inequalities, and their rate of false
alarms is simulated in `benchmarks.judgement.false_alarms`. Missing values are no part of any distribution; their share
has a function of its own.

Standard errors take the wider spread of the two for both. Where nothing has changed the two spreads are one, and the
narrower one is that of a sample that has missed the rare values.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import itemgetter, sub
from typing import Final

from viridian.api.monitoring import Statistic
from viridian.api.profile import Categories, Numbers, Sketch
from viridian.judgement.figures import SIGMAS, EffectSize
from viridian.judgement.merging import ShapesDiffer

CHANCE: Final = 0.00135
"""Share of a normal distribution beyond SIGMAS standard deviations, on one side: what every bound leaves to chance."""
TWO_SIDED_SIGMAS: Final = 3.2053
"""Standard deviations beyond which a normal distribution has that share on both sides together."""
PSI_BINS: Final = 20
"""More bins make the index noisier, not finer."""
_OF_TWO_SAMPLES: Final = 2.16863
"""In place of the 2 of one sample."""
_MEAN_DEVIATION: Final = 0.86
"""Of a count, in standard deviations, at most: that of a Poisson distribution with mean 1/2; of a normal one 0.8."""
_NO_SPREAD: Final = 1e-9
"""A standard deviation below this share of the mean is rounding, not spread."""


def present(sketch: Sketch) -> int:
    """Values that are not missing."""
    other = sketch.other if isinstance(sketch, Categories) else 0
    return sum(sketch.counts) + other


def rows(sketch: Sketch) -> int:
    """Values, missing ones included."""
    return present(sketch) + sketch.missing


def spread(sketch: Numbers) -> float:
    """The standard deviation (with n - 1) of the finite values; 0 where there is none."""
    deviation = math.sqrt(sketch.m2 / (sketch.finite - 1)) if sketch.finite > 1 and sketch.m2 > 0 else 0.0
    return 0.0 if deviation <= _NO_SPREAD * abs(sketch.mean) else deviation


def mean_shift(reference: Sketch, current: Sketch) -> EffectSize:
    """Distance of the means in standard deviations of the reference, unbounded where that had none.

    The bound allows for the wider spread, so that one huge value moves the mean but not the bound.
    """
    reference, current = _numbers(reference), _numbers(current)
    apart, scale = abs(current.mean - reference.mean), spread(reference)
    allowance = TWO_SIDED_SIGMAS * max(scale, spread(current)) * math.sqrt(1 / current.finite + 1 / reference.finite)
    if scale == 0.0:
        rounding = _NO_SPREAD * max(abs(reference.mean), abs(current.mean))
        return EffectSize(_unbounded(apart > rounding), _unbounded(apart - allowance > rounding))
    return _effect(apart / scale, allowance / scale)


def kolmogorov_smirnov(reference: Sketch, current: Sketch) -> EffectSize:
    """Largest distance of the cumulative shares that is sure at the edges of either.

    At an edge that both have, both shares are known. At one that only one of them has, as where two versions were
    trained on different data, the other's share is somewhere between its neighbouring edges: what counts is the
    distance that is left wherever it is, so other bins alone make no shift of anything.

    The bound is the inequality of Dvoretzky, Kiefer and Wolfowitz, which holds for any distribution, with the constant
    of Wei and Dudley (2012) for two samples and n = n_c n_r / (n_c + n_r).
    """
    reference, current = _numbers(reference), _numbers(current)
    before, now = present(reference), present(current)
    same_edges = reference.edges == current.edges
    distance = _same_edges_distance(reference, current) if same_edges else _sure_distance(reference, current)
    effective = before * now / (before + now)
    allowance = math.sqrt(math.log(_OF_TWO_SAMPLES / CHANCE) / (2 * effective))
    return _effect(distance, allowance, at_least=not same_edges)


def _sure_distance(reference: Numbers, current: Numbers) -> float:
    places = sorted({*reference.edges, *current.edges})
    shares = zip(_cumulative(reference, places), _cumulative(current, places), strict=True)
    return max(
        (max(low - other_high, other_low - high) for (low, high), (other_low, other_high) in shares), default=0.0
    )


def _same_edges_distance(reference: Numbers, current: Numbers) -> float:
    """The same where both were counted on the same bins, which is the rule: no edge has to be looked up."""
    return max(map(abs, map(sub, _shares_below(reference), _shares_below(current))), default=0.0)


def _shares_below(sketch: Numbers) -> list[float]:
    """The share of values up to each edge."""
    *below, total = accumulate(sketch.counts)
    return [count / total for count in below]


def stability_index(reference: Sketch, current: Sketch) -> EffectSize:
    """Population stability index, sum of (q - p) ln(q / p), less its expectation where nothing has changed.

    Empty cells count half a row. That expectation is about (bins - 1)(1/n_c + 1/n_r), and the spread around it that of
    chi-squared; beyond it the error is by the delta method.
    """
    before, now = zip(*_cells(reference, current), strict=True)
    rows_before, rows_now = sum(before), sum(now)
    if len(before) < 2:
        return EffectSize(0.0, 0.0)
    chance = 1 / rows_now + 1 / rows_before
    shares = [(max(b, 0.5) / rows_before, max(n, 0.5) / rows_now) for b, n in zip(before, now, strict=True)]
    index = sum((q - p) * math.log(q / p) for p, q in shares) - (len(shares) - 1) * chance
    error = _variance([p for p, _ in shares], [1 - q / p - math.log(q / p) for p, q in shares]) / rows_before
    error += _variance([q for _, q in shares], [1 - p / q + math.log(q / p) for p, q in shares]) / rows_now
    error += 2 * (len(shares) - 1) * chance**2
    return _effect(index, SIGMAS * math.sqrt(error))


def missing(reference: Sketch, current: Sketch) -> EffectSize:
    """Change of the share of missing values."""
    return _change(reference.missing, rows(reference), current.missing, rows(current), two_sided=True)


def new_categories(reference: Sketch, current: Sketch) -> EffectSize:
    """Growth of the share of values without a bin of their own in both.

    Those are values that the reference has never seen, or only rarely; its own share of rare ones is subtracted. No row
    of the reference may be counted here that has helped to choose the names.
    """
    before, now = list(_by_name(_categories(reference), _categories(current)))[-1]
    return _change(before, present(reference), now, present(current), two_sided=False)


def total_variation(reference: Sketch, current: Sketch) -> EffectSize:
    """Half the sum of the differences of the shares.

    On average chance alone adds half the sum of the mean deviations. Around that average McDiarmid's inequality (1989)
    bounds any statistic which one row can change by no more than 1/n.
    """
    before, now = zip(*_by_name(_categories(reference), _categories(current)), strict=True)
    rows_before, rows_now = sum(before), sum(now)
    shares = [(b / rows_before, n / rows_now) for b, n in zip(before, now, strict=True)]
    distance = sum(abs(q - p) for p, q in shares) / 2
    chance = 1 / rows_before + 1 / rows_now
    pooled = [(b + n) / (rows_before + rows_now) for b, n in zip(before, now, strict=True)]
    floor = sum(_MEAN_DEVIATION * math.sqrt(share * (1 - share) * chance) for share in pooled) / 2
    return _effect(distance, floor + math.sqrt(math.log(1 / CHANCE) / 2 * chance))


def of_predictions(champion: Sketch, challenger: Sketch) -> EffectSize:
    """How far predictions are apart: Kolmogorov-Smirnov of scores and numbers, total variation of classes."""
    return (kolmogorov_smirnov if isinstance(challenger, Numbers) else total_variation)(champion, challenger)


MEASURES: Final[Mapping[Statistic, Callable[[Sketch, Sketch], EffectSize]]] = {
    Statistic.MEAN_SHIFT: mean_shift,
    Statistic.KS: kolmogorov_smirnov,
    Statistic.PSI: stability_index,
    Statistic.MISSING: missing,
    Statistic.NEW_CATEGORIES: new_categories,
    Statistic.TOTAL_VARIATION: total_variation,
}
"""Each may be asked of two sketches that it applies to and that hold values."""


def applies(statistic: Statistic, sketch: Sketch) -> bool:
    """Whether the statistic means something for such values."""
    if statistic in (Statistic.MEAN_SHIFT, Statistic.KS):
        return isinstance(sketch, Numbers)
    if statistic in (Statistic.NEW_CATEGORIES, Statistic.TOTAL_VARIATION):
        return isinstance(sketch, Categories)
    return True


def counted(statistic: Statistic, sketch: Sketch) -> int:
    """Values that the statistic would rest on."""
    if statistic is Statistic.MISSING:
        return rows(sketch)
    if statistic is Statistic.MEAN_SHIFT and isinstance(sketch, Numbers):
        return sketch.finite
    return present(sketch)


def _effect(value: float, allowance: float, *, at_least: bool = False) -> EffectSize:
    """NaN, which only numbers beyond any measure bring about, is no effect."""
    bound = value - allowance
    return EffectSize(max(0.0, value) if value == value else 0.0, max(0.0, bound) if bound == bound else 0.0, at_least)


def _unbounded(different: bool) -> float:
    return math.inf if different else 0.0


def _numbers(sketch: Sketch) -> Numbers:
    if not isinstance(sketch, Numbers):
        raise ShapesDiffer("one holds numbers, the other categories")
    return sketch


def _categories(sketch: Sketch) -> Categories:
    if not isinstance(sketch, Categories):
        raise ShapesDiffer("one holds categories, the other numbers")
    return sketch


def _change(before: int, of_before: int, now: int, of_now: int, *, two_sided: bool) -> EffectSize:
    """Difference of two shares, less half a row of either since counts are whole.

    Its error counts one row more of either kind (Agresti and Caffo, 2000): a share of exactly 0 is not known exactly.
    """
    p, q = before / of_before, now / of_now
    careful = [(part + 1) / (whole + 2) for part, whole in ((before, of_before), (now, of_now))]
    wider = max(share * (1 - share) for share in careful)
    chance = 1 / of_before + 1 / of_now
    allowance = (TWO_SIDED_SIGMAS if two_sided else SIGMAS) * math.sqrt(wider * chance) + chance / 2
    effect = _effect(abs(q - p) if two_sided else q - p, allowance)
    rare = _probability_bound(before, of_before, now, of_now) < (CHANCE / 2 if two_sided else CHANCE)
    return replace(effect, unlikely=rare and effect.value > 0)


def _probability_bound(before: int, of_before: int, now: int, of_now: int) -> float:
    """At most so often do as many of all rows fall into one of the two by chance alone.

    Chernoff's bound, which holds for drawing without replacement as well (Hoeffding, 1963).
    """
    pooled = (before + now) / (of_before + of_now)
    parts = ((now, of_now), (before, of_before))
    return math.exp(-max(whole * _divergence(part / whole, pooled) for part, whole in parts))


def _divergence(share: float, expected: float) -> float:
    """That of Kullback and Leibler, of two outcomes."""
    pairs = ((share, expected), (1 - share, 1 - expected))
    return sum(part * math.log(part / other) for part, other in pairs if part > 0)


def _cumulative(sketch: Numbers, places: Sequence[float]) -> Iterator[tuple[float, float]]:
    """The share of values up to each place: the least and the most that it can be."""
    below = [0, *accumulate(sketch.counts)]
    total = below[-1]
    for place in places:
        lowest, highest = bisect_right(sketch.edges, place), bisect_left(sketch.edges, place) + 1
        yield below[lowest] / total, below[highest] / total


def _cells(reference: Sketch, current: Sketch) -> list[tuple[int, int]]:
    """Counts of both on the same cells, PSI_BINS at most, without those that are empty in both."""
    return [pair for pair in grouped_counts(reference, current, PSI_BINS) if any(pair)]


def grouped_counts(reference: Sketch, current: Sketch, most: int) -> list[tuple[int, int]]:
    """Counts of both in the same groups of values, so many at most.

    Numbers: from the lowest values up, each with about an equal share of the reference. Categories: the most frequent
    ones of the reference, and at the end all others. Raises ShapesDiffer for numbers on different bins, and for numbers
    beside categories.
    """
    if isinstance(reference, Numbers) and isinstance(current, Numbers):
        if reference.edges != current.edges:
            raise ShapesDiffer("the two were counted on different bins; write statistic: KS or MeanShift instead")
        return list(_coarser(list(zip(reference.counts, current.counts, strict=True)), most))
    *named, others = _by_name(_categories(reference), _categories(current))
    named.sort(key=itemgetter(0), reverse=True)
    rest = [*named[most - 1 :], others]
    return [*named[: most - 1], (sum(before for before, _ in rest), sum(now for _, now in rest))]


def _coarser(pairs: Sequence[tuple[int, int]], most: int) -> Iterator[tuple[int, int]]:
    """Neighbours joined until each holds about an equal share of the reference, so that at most so many are left."""
    enough = sum(before for before, _ in pairs) / most
    held, also = 0, 0
    for before, now in pairs:
        held, also = held + before, also + now
        if held >= enough:
            yield held, also
            held, also = 0, 0
    if held or also:
        yield held, also


def _by_name(reference: Categories, current: Categories) -> Iterator[tuple[int, int]]:
    """What only one of the two has a name for is among the others of both."""
    before = dict(zip(reference.names, reference.counts, strict=True))
    now = dict(zip(current.names, current.counts, strict=True))
    shared = before.keys() & now.keys()
    yield from ((before[name], now[name]) for name in reference.names if name in shared)
    yield (
        reference.other + sum(count for name, count in before.items() if name not in shared),
        current.other + sum(count for name, count in now.items() if name not in shared),
    )


def _variance(shares: Sequence[float], values: Sequence[float]) -> float:
    total = sum(shares)
    mean = sum(share * value for share, value in zip(shares, values, strict=True)) / total
    return sum(share * (value - mean) ** 2 for share, value in zip(shares, values, strict=True)) / total

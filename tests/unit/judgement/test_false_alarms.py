"""Where nothing has changed, a feature fires in one window of 740 at most: of whatever kind it is, at any threshold.

The trainer's own reference and the server's own bins; `benchmarks.judgement.false_alarms` measures more of it.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.support.draws import CATEGORIES, NUMBERS, Chance, Draw, Values, equally_frequent
from viridian.api.monitoring import Decision, Statistic
from viridian.api.profile import Categories
from viridian.judgement import distances
from viridian.judgement.drift import DriftCriteria, DriftReference, judge
from viridian.judgement.figures import EffectSize, MonitorVerdict
from viridian.judgement.merging import merge_sketches
from viridian.training.profile import counted_on, sketch

PROMISED = 1 / 740
SIZES = ((200, 5000), (1000, 500), (5000, 2000))
"""Rows of the reference and of the window."""
ROUNDS = 20


@pytest.mark.parametrize("kind", [*NUMBERS, *CATEGORIES])
def test_where_nothing_has_changed_nothing_fires_at_any_threshold(kind: str) -> None:
    found = effects({**NUMBERS, **CATEGORIES}[kind])
    for statistic, of_windows in found.items():
        # What the promise lets through in all but one of ten thousand such tests.
        allowed = stats.binom.ppf(0.9999, len(of_windows), PROMISED)
        assert sum(effect.bound > 0 for effect in of_windows) <= allowed, statistic
        assert sum(not effect.by_chance for effect in of_windows) <= allowed, statistic


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize(("rows", "window"), [(200, 200), (200, 500), (500, 500)])
def test_of_shares_the_promise_is_exact(rows: int, window: int, share: float) -> None:
    """No simulation: every pair of counts that can happen, with its probability."""
    before, now = (_likely(n, share) for n in (rows, window))
    either, more = 0.0, 0.0
    for (b, chance_b), (n, chance_n) in product(before, now):
        reference = Categories(names=("a",), counts=(rows - b,), other=b)
        current = Categories(names=("a",), counts=(window - n,), other=n)
        more += chance_b * chance_n * (distances.new_categories(reference, current).bound > 0)
        gaps = [Categories(names=("a",), counts=(m - k,), missing=k) for m, k in ((rows, b), (window, n))]
        either += chance_b * chance_n * (distances.missing(*gaps).bound > 0)
    assert either <= PROMISED
    assert more <= PROMISED


def _likely(n: int, share: float) -> list[tuple[int, float]]:
    """All but one in ten million."""
    low, high = stats.binom.ppf((5e-8, 1 - 5e-8), n, share).astype(int)
    return [(count, float(stats.binom.pmf(count, n, share))) for count in range(max(0, low), high + 1)]


def effects(draw: Draw) -> dict[Statistic, list[EffectSize]]:
    """Of windows against references of their own: an unlucky reference would otherwise count many times."""
    chance = np.random.default_rng(11)
    found: dict[Statistic, list[EffectSize]] = {}
    for rows, window in SIZES * ROUNDS:
        reference = sketch(draw(chance, rows))
        current = counted_on(reference, draw(chance, window))
        for statistic, measure in distances.MEASURES.items():
            if distances.applies(statistic, reference) and distances.counted(statistic, reference):
                found.setdefault(statistic, []).append(measure(reference, current))
    return found


# ---- as shipped


def verdicts(draw: Draw, changed: Draw, *, rows: int, window: int, **asked: Any) -> set[MonitorVerdict]:
    chance, found = np.random.default_rng(12), set()
    for _ in range(10):
        reference = DriftReference(name="the training data", sketch=sketch(draw(chance, rows)))
        assert reference.sketch is not None
        current = counted_on(reference.sketch, changed(chance, window))
        found.add(judge("shop", DriftCriteria(**asked), current, [reference]).verdict)
    return found


@pytest.mark.parametrize("decision", Decision)
@pytest.mark.parametrize("values", [150, 300, 1000])
def test_many_values_that_are_as_before_never_fire(values: int, decision: Decision) -> None:
    same = equally_frequent(values)
    for statistic in (None, Statistic.NEW_CATEGORIES):
        found = verdicts(same, same, rows=5000, window=2000, statistic=statistic, decision=decision)
        assert MonitorVerdict.FIRED not in found


@pytest.mark.parametrize("values", [20, 150, 300])
def test_new_ones_among_many_values_are_found(values: int) -> None:
    before = equally_frequent(values)

    def changed(chance: Chance, n: int) -> Values:
        return np.where(chance.random(n) < 0.1, "never seen", before(chance, n))

    found = verdicts(before, changed, rows=20_000, window=5000, statistic=Statistic.NEW_CATEGORIES)
    assert found == ({MonitorVerdict.FIRED} if values < 300 else {MonitorVerdict.QUIET, MonitorVerdict.FIRED})


def test_every_row_another_one_is_no_verdict() -> None:
    ids = CATEGORIES["ids"]
    assert verdicts(ids, ids, rows=5000, window=2000) == {MonitorVerdict.INSUFFICIENT_DATA}


def test_what_several_pods_have_counted_is_judged_like_what_one_has() -> None:
    chance, draw = np.random.default_rng(13), CATEGORIES["300 values"]
    reference, values = sketch(draw(chance, 5000)), draw(chance, 2000)
    parts = reduce(merge_sketches, (counted_on(reference, part) for part in np.array_split(values, 7)))
    assert parts == counted_on(reference, values)


def test_what_only_grows_has_changed() -> None:
    """A time, or a number that counts up: no window is like the training data."""
    assert verdicts(
        lambda chance, n: 1e9 + np.sort(chance.random(n)) * 1e6,
        lambda chance, n: 1e9 + 1e6 + np.sort(chance.random(n)) * 1e4,
        rows=5000, window=2000,
    ) == {MonitorVerdict.FIRED}  # fmt: skip

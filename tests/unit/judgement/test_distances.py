"""Distances of distributions: what they are on known data, what chance leaves of them, and that nothing breaks them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.sketches import categories, edges_of, numbers
from viridian.api.monitoring import Statistic
from viridian.api.profile import Numbers, Sketch
from viridian.judgement import distances
from viridian.judgement.figures import EffectSize
from viridian.judgement.merging import ShapesDiffer, merge_sketches

NAMES = ("red", "green", "blue")


def normal(chance: random.Random, n: int, shift: float = 0.0, scale: float = 1.0) -> list[float]:
    return [chance.gauss(shift, scale) for _ in range(n)]


# ---- known data


def test_mean_shift_is_in_standard_deviations_of_the_reference() -> None:
    values = [30.0, 40.0, 50.0, 60.0] * 250
    reference = numbers(values, edges_of(values))
    current = numbers([value + 6 for value in values], reference.edges)
    assert distances.mean_shift(reference, current).value == pytest.approx(6 / np.std(values, ddof=1))


def test_ks_is_the_largest_difference_of_the_cumulative_shares() -> None:
    reference = numbers([1.0] * 50 + [2.0] * 50, (1.0, 2.0))
    current = numbers([1.0] * 20 + [2.0] * 30 + [3.0] * 50, (1.0, 2.0))
    assert distances.kolmogorov_smirnov(reference, current).value == pytest.approx(0.5)


def test_binned_ks_comes_close_to_that_of_the_values_themselves() -> None:
    chance = random.Random(1)
    before, now = normal(chance, 4000), normal(chance, 3000, shift=0.4)
    edges = edges_of(before, bins=50)
    binned = distances.kolmogorov_smirnov(numbers(before, edges), numbers(now, edges)).value
    places = sorted([*before, *now])
    exact = np.abs(
        np.searchsorted(np.sort(before), places, side="right") / len(before)
        - np.searchsorted(np.sort(now), places, side="right") / len(now)
    ).max()
    assert exact - 0.02 < binned <= exact + 1e-12


def test_the_index_of_a_shift_by_one_standard_deviation_is_about_one() -> None:
    chance = random.Random(2)
    before, now = normal(chance, 20_000), normal(chance, 20_000, shift=1.0)
    edges = edges_of(before)
    # Of two normal distributions that are one standard deviation apart it is exactly 1; bins lose a little of it.
    assert 0.85 < distances.stability_index(numbers(before, edges), numbers(now, edges)).value < 1.0


def test_half_of_the_values_missing_is_a_change_by_half() -> None:
    reference = numbers([1.0] * 1000, (1.0,))
    current = numbers([1.0, None] * 500, (1.0,))
    effect = distances.missing(reference, current)
    assert effect.value == pytest.approx(0.5)
    assert 0.4 < effect.bound < 0.5


def test_new_categories_are_what_the_reference_has_no_name_for_less_what_it_knew_too_rarely() -> None:
    reference = categories(["red"] * 980 + ["rare"] * 20, NAMES)
    current = categories(["red"] * 900 + ["rare"] * 20 + ["new"] * 80, NAMES)
    assert distances.new_categories(reference, current).value == pytest.approx(0.08)


def test_fewer_unknown_values_are_no_new_categories() -> None:
    effect = distances.new_categories(categories(["rare"] * 500, NAMES), categories(["red"] * 500, NAMES))
    assert (effect.value, effect.bound) == (0.0, 0.0)


def test_total_variation_is_the_share_of_rows_that_would_have_to_change() -> None:
    reference = categories(["red"] * 500 + ["green"] * 500, NAMES)
    current = categories(["red"] * 200 + ["green"] * 500 + ["blue"] * 300, NAMES)
    assert distances.total_variation(reference, current).value == pytest.approx(0.3)


def test_categories_of_two_versions_are_compared_by_name() -> None:
    reference = categories(["red"] * 500 + ["green"] * 500, ("red", "green"))
    current = categories(["red"] * 500 + ["green"] * 500, ("green", "blue", "red"))
    assert distances.total_variation(reference, current).value == pytest.approx(0.0)


# ---- constants, outliers, infinities


def test_a_feature_that_was_constant_and_no_longer_is() -> None:
    reference = numbers([3.0] * 1000, (3.0,))
    assert distances.mean_shift(reference, numbers([3.0] * 1000, (3.0,))) == EffectSize(0.0, 0.0)
    assert distances.mean_shift(reference, numbers([4.0] * 1000, (3.0,))) == EffectSize(math.inf, math.inf)


def test_rounding_is_no_shift_of_a_constant() -> None:
    part = numbers([0.1] * 7, (0.1,))
    merged: Sketch = part
    for _ in range(200):
        merged = merge_sketches(merged, part)
    assert distances.mean_shift(part, merged) == EffectSize(0.0, 0.0)


def test_one_huge_value_moves_the_mean_but_not_its_bound() -> None:
    chance = random.Random(3)
    before = normal(chance, 5000)
    reference = numbers(before, edges_of(before))
    effect = distances.mean_shift(reference, numbers([*normal(chance, 999), 1e6], reference.edges))
    assert effect.value > 100
    assert effect.bound == 0.0


def test_one_odd_value_of_a_constant_feature_has_no_bound_either() -> None:
    effect = distances.mean_shift(numbers([0.0] * 1000, (0.0,)), numbers([0.0] * 999 + [5.0], (0.0,)))
    assert effect.bound == 0.0


def test_infinite_values_count_in_the_outer_bins() -> None:
    values = [0.0, 1.0, 2.0, 3.0] * 250
    reference = numbers(values, (0.0, 1.0, 2.0))
    current = numbers([*values[:500], *[math.inf] * 500], (0.0, 1.0, 2.0))
    assert distances.kolmogorov_smirnov(reference, current).value == pytest.approx(0.375)
    assert distances.mean_shift(reference, current).value == pytest.approx(0.0)


def test_cells_of_other_bins_are_not_compared() -> None:
    one, other = numbers([1.0] * 500, (1.0,)), numbers([1.0] * 500, (2.0,))
    with pytest.raises(ShapesDiffer, match="write statistic: KS or MeanShift"):
        distances.stability_index(one, other)


def test_ks_of_other_bins_is_what_is_sure_wherever_the_values_lie_within_theirs() -> None:
    reference = numbers([1.0] * 50 + [2.0] * 50, (1.0, 2.0))
    current = numbers([1.0] * 20 + [2.0] * 30 + [3.0] * 50, (1.5, 2.0))
    effect = distances.kolmogorov_smirnov(reference, current)
    assert effect.value == pytest.approx(0.5), "at 2, an edge of both"
    assert effect.at_least
    current = numbers([1.0] * 20 + [2.0] * 30 + [3.0] * 50, (1.5, 2.5))
    assert distances.kolmogorov_smirnov(reference, current).value == pytest.approx(0.5), (
        "all of the reference is below 2"
    )
    current = numbers([1.0] * 20 + [2.0] * 30 + [3.0] * 50, (1.5,))
    assert distances.kolmogorov_smirnov(reference, current).value == pytest.approx(0.3), (
        "half of it is below 1, not 20 %"
    )


def test_without_edges_nothing_is_known_of_a_distance() -> None:
    nothing = numbers([1.0] * 500, ())
    assert distances.kolmogorov_smirnov(nothing, nothing) == EffectSize(0.0, 0.0)
    assert distances.kolmogorov_smirnov(nothing, numbers([9.0] * 500, (5.0,))).value == 0.0


def test_the_mean_needs_no_bins() -> None:
    values = [1.0, 2.0, 3.0] * 200
    one, other = numbers(values, (1.0,)), numbers([value + 1 for value in values], (2.0, 3.0))
    assert distances.mean_shift(one, other).value == pytest.approx(1 / np.std(values, ddof=1))


def test_categories_that_the_newer_version_has_no_name_for_are_not_new() -> None:
    before = categories(["red"] * 900 + ["green"] * 100, ("red", "green"))
    now = categories(["red"] * 900 + ["green"] * 100, ("red", "blue"))
    assert distances.new_categories(before, now) == EffectSize(0.0, 0.0)
    now = categories(["red"] * 800 + ["green"] * 100 + ["blue"] * 100, ("red", "blue"))
    assert distances.new_categories(before, now).value == pytest.approx(0.1)


# ---- whatever is counted

_VALUES = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.none(), st.sampled_from([0.0, 1.0, 1e300]))


@given(
    st.lists(_VALUES, min_size=1, max_size=40),
    st.lists(_VALUES, min_size=1, max_size=40),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=6, unique=True),
)
@pytest.mark.parametrize("statistic", [Statistic.MEAN_SHIFT, Statistic.KS, Statistic.PSI, Statistic.MISSING])
def test_any_numbers_give_an_effect(
    statistic: Statistic, before: list[float | None], now: list[float | None], edges: list[float]
) -> None:
    reference, current = numbers(before, sorted(edges)), numbers(now, sorted(edges))
    _is_an_effect(statistic, reference, current)


@given(
    st.lists(st.sampled_from([*NAMES, "new", None]), min_size=1, max_size=60),
    st.lists(st.sampled_from([*NAMES, "new", None]), min_size=1, max_size=60),
    st.permutations(NAMES).map(lambda names: names[:2]),
)
@pytest.mark.parametrize(
    "statistic", [Statistic.PSI, Statistic.MISSING, Statistic.NEW_CATEGORIES, Statistic.TOTAL_VARIATION]
)
def test_any_categories_give_an_effect(
    statistic: Statistic, before: list[str | None], now: list[str | None], names: list[str]
) -> None:
    _is_an_effect(statistic, categories(before, NAMES), categories(now, names))


def _is_an_effect(statistic: Statistic, reference: Sketch, current: Sketch) -> None:
    if not (distances.counted(statistic, reference) and distances.counted(statistic, current)):
        return
    effect = distances.MEASURES[statistic](reference, current)
    assert 0 <= effect.bound <= effect.value


@given(st.lists(st.floats(-100, 100), min_size=5, max_size=60), st.integers(2, 8))
def test_the_same_rows_again_are_no_shift(values: list[float], bins: int) -> None:
    sketch = numbers(values, edges_of(values, bins))
    for measure in (distances.mean_shift, distances.kolmogorov_smirnov, distances.missing):
        assert measure(sketch, sketch) == EffectSize(0.0, 0.0)


_EDGES = st.lists(st.floats(-100, 100), max_size=6, unique=True).map(sorted)


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=40),
    st.lists(st.floats(-100, 100), min_size=1, max_size=40),
    _EDGES,
    _EDGES,
)
def test_ks_never_says_more_than_the_values_themselves_would(
    before: list[float], now: list[float], edges: list[float], others: list[float]
) -> None:
    """Whatever the bins are: so its bound holds with any, and other bins alone are no shift."""
    places = sorted([*before, *now])
    exact = np.abs(
        np.searchsorted(np.sort(before), places, side="right") / len(before)
        - np.searchsorted(np.sort(now), places, side="right") / len(now)
    ).max()
    assert distances.kolmogorov_smirnov(numbers(before, edges), numbers(now, others)).value <= exact + 1e-12


# ---- chance


def _lognormal(chance: random.Random, n: int) -> list[float]:
    return [chance.lognormvariate(0, 1.5) for _ in range(n)]


def _few_values(chance: random.Random, n: int) -> list[float]:
    return [float(chance.choices((0, 1, 2), (90, 8, 2))[0]) for _ in range(n)]


@pytest.mark.parametrize("draw", [normal, _lognormal, _few_values])
@pytest.mark.parametrize(
    "measure", [distances.mean_shift, distances.kolmogorov_smirnov, distances.stability_index], ids=lambda m: m.__name__
)
def test_chance_alone_leaves_no_bound(
    draw: Callable[[random.Random, int], list[float]], measure: Callable[[Numbers, Numbers], EffectSize]
) -> None:
    """However low the threshold: of rows from the same distribution, the bound is above 0 about never."""
    chance = random.Random(4)
    before = draw(chance, 4000)
    reference = numbers(before, edges_of(before))
    bounds = [measure(reference, numbers(draw(chance, 500), reference.edges)).bound for _ in range(150)]
    assert sum(bound > 0 for bound in bounds) <= 3


@pytest.mark.parametrize("draw", [normal, _lognormal, _few_values])
@pytest.mark.parametrize("rows", [500, 5000])
def test_chance_alone_leaves_no_bound_on_the_bins_of_another_version_either(
    draw: Callable[[random.Random, int], list[float]], rows: int
) -> None:
    chance = random.Random(8)
    for _ in range(30):
        edges, others = edges_of(draw(chance, 2000)), edges_of(draw(chance, 2000))
        effect = distances.kolmogorov_smirnov(numbers(draw(chance, rows), edges), numbers(draw(chance, rows), others))
        assert effect.bound == 0.0


def test_a_shift_is_found_on_the_bins_of_a_version_that_was_trained_after_it() -> None:
    """The new version's quantiles are those of shifted data; the two versions share no edge."""
    chance = random.Random(9)
    found = {0.0: 0, 0.4: 0, 0.8: 0}
    for shift in found:
        for _ in range(20):
            edges, others = edges_of(normal(chance, 2000)), edges_of(normal(chance, 2000, shift))
            before, now = numbers(normal(chance, 5000), edges), numbers(normal(chance, 5000, shift), others)
            found[shift] += distances.kolmogorov_smirnov(before, now).bound > 0.2
    assert found == {0.0: 0, 0.4: 0, 0.8: 20}


def test_chance_alone_leaves_no_bound_of_categories() -> None:
    chance = random.Random(5)
    weights = [2.0**-number for number in range(12)]
    names = [f"c{number}" for number in range(12)]

    def draw(n: int) -> Sketch:
        return categories(chance.choices(names, weights, k=n), names[:10])

    reference = draw(4000)
    pairs = [draw(500) for _ in range(150)]
    for measure in (distances.total_variation, distances.new_categories, distances.stability_index):
        assert sum(measure(reference, current).bound > 0 for current in pairs) <= 3


def test_a_shift_beyond_the_threshold_is_found_and_one_below_is_not() -> None:
    """The second and third row of the table of detection rates in docs/monitoring.md, in small."""
    chance = random.Random(6)
    before = normal(chance, 10_000)
    reference = numbers(before, edges_of(before))

    def found(shift: float) -> int:
        bounds = [
            distances.mean_shift(reference, numbers(normal(chance, 1000, shift), reference.edges)).bound
            for _ in range(40)
        ]
        return sum(bound > 0.5 for bound in bounds)

    assert found(0.8) >= 39
    assert found(0.4) == 0


@given(st.lists(st.integers(0, 500), min_size=3, max_size=3), st.lists(st.integers(0, 500), min_size=3, max_size=3))
def test_on_the_same_bins_the_short_way_finds_the_same_distance(before: list[int], now: list[int]) -> None:
    reference, current = (
        Numbers(edges=(1.0, 2.0), counts=(1 + counts[0], *counts[1:]), finite=1 + sum(counts))
        for counts in (before, now)
    )
    assert distances.kolmogorov_smirnov(reference, current).value == distances._sure_distance(reference, current)

"""Sketches of arrays: the bins, the counts and the moments, and that the server counts the same rows the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from viridian.api.profile import MAX_CATEGORIES, MAX_EDGES, Categories, Numbers
from viridian.judgement.merging import merge_sketches
from viridian.training.profile import calibration, categories, counted_on, numbers, scores, sketch, sketches

ANY = arrays.arrays(np.float64, st.integers(0, 300), elements=st.floats(allow_nan=True, allow_infinity=True))
FEW = arrays.arrays(np.float64, st.integers(1, 300), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0, np.nan]))
WORDS = st.lists(st.sampled_from(["Lyon", "Kiel", "Brno", None]), max_size=60)


def by_definition(values: Any, edges: tuple[float, ...]) -> list[int]:
    """Bin i holds edges[i-1] < x <= edges[i]."""
    lower, upper = (-np.inf, *edges), (*edges, np.inf)
    known = values[~np.isnan(values)]
    return [
        int((((known > low) | (place == 0)) & (known <= high)).sum())
        for place, (low, high) in enumerate(zip(lower, upper, strict=True))
    ]


@given(st.one_of(ANY, FEW))
def test_numbers_are_counted_as_the_format_says(values: Any) -> None:
    found = numbers(values)
    assert len(found.edges) <= MAX_EDGES
    assert list(found.edges) == sorted(set(found.edges))
    assert list(found.counts) == by_definition(values, found.edges)
    assert found.missing == np.isnan(values).sum()
    usable = values[np.abs(values) < 1e150]
    assert found.finite == len(usable)
    if len(usable):
        assert (found.minimum, found.maximum) == (usable.min(), usable.max())
        assert found.mean == pytest.approx(usable.mean())
        assert found.m2 == pytest.approx(((usable - usable.mean()) ** 2).sum(), rel=1e-6, abs=1e-300)


@given(st.one_of(ANY, FEW), st.one_of(ANY, FEW))
def test_two_parts_counted_apart_are_the_whole(one: Any, other: Any) -> None:
    reference = numbers(one)
    merged = merge_sketches(counted_on(reference, one), counted_on(reference, other))
    whole = counted_on(reference, np.concatenate([one, other]))
    assert isinstance(merged, Numbers)
    assert isinstance(whole, Numbers)
    assert (merged.edges, merged.counts, merged.missing, merged.finite) == (
        whole.edges, whole.counts, whole.missing, whole.finite,
    )  # fmt: skip
    assert merged.mean == pytest.approx(whole.mean, rel=1e-6, abs=1e-6 * max(1.0, abs(whole.maximum or 0.0)))


def test_many_values_fill_equal_bins() -> None:
    found = numbers(np.random.default_rng(1).lognormal(size=51_000))
    assert (len(found.edges), set(found.counts)) == (MAX_EDGES, {1000})


def test_few_values_have_a_bin_each() -> None:
    found = numbers(np.array([3, 1, 2, 2, 1, 1]))
    assert (found.edges, found.counts) == ((1.5, 2.5), (3, 2, 1))


def test_a_lone_value_is_told_from_whatever_else_comes() -> None:
    found = numbers(np.array([7.0, 7.0, np.nan]))
    assert (found.counts, found.missing) == ((0, 2, 0), 1)
    live = counted_on(found, np.array([6.9, 7.0, 7.1]))
    assert isinstance(live, Numbers)
    assert (live.counts, live.minimum, live.maximum) == ((1, 1, 1), 6.9, 7.1)
    nearly = counted_on(found, np.array([7.0 - 1e-9, 7.0 + 1e-9]))
    assert isinstance(nearly, Numbers)
    assert nearly.counts == (0, 2, 0)


@pytest.mark.parametrize("values", [np.array([]), np.array([np.nan]), np.array([np.inf, -np.inf])])
def test_nothing_to_make_bins_of(values: Any) -> None:
    found = numbers(values)
    assert (found.edges, found.finite, found.minimum) == ((), 0, None)
    assert sum(found.counts) + found.missing == len(values)


@pytest.mark.parametrize("digits", [1, 9])
def test_rounding_moves_nothing_to_another_bin(digits: int) -> None:
    """A forest's scores are summed in any order; what was trained in 32 bits is asked in 64."""
    values = np.round(np.random.default_rng(1).random(1000), digits)
    reference = numbers(values)
    for noisy in (values.astype(np.float32), values * (1 + 1e-12)):
        live = counted_on(reference, noisy)
        assert isinstance(live, Numbers)
        assert live.counts == reference.counts


def test_text_is_named_by_how_frequent_it_is() -> None:
    values = np.array(["b"] * 7 + ["a"] * 7 + ["c"] * 9 + [None] * 2, dtype=object)
    assert categories(values) == Categories(names=("c", "a", "b"), counts=(9, 7, 7), missing=2)


def test_rows_that_choose_the_names_are_not_counted() -> None:
    """Where some values get no name: half of the rows choose, and the counts are those of the other half alone."""
    values = np.array([*["b"] * 70, *["a"] * 70, *["c"] * 90, "once", *[None] * 9], dtype=object)
    found = categories(values)
    assert sorted(found.names) == ["a", "b", "c"]
    assert sum(found.counts) + found.other + found.missing == 120
    assert found == categories(values), "the same rows make the same profile"
    counted, all_ = dict(zip(found.names, found.counts, strict=True)), {"a": 70, "b": 70, "c": 90}
    assert all(0 < counted[name] < all_[name] for name in all_)


@pytest.mark.parametrize("values", [150, 300, 1000, 10_000])
def test_the_shares_of_names_are_those_that_later_rows_have(values: int) -> None:
    """Of equally frequent values each named one has the same share: in the reference, as in whatever comes."""
    drawn = np.random.default_rng(3).integers(0, values, 50_000).astype(str).astype(object)
    found = categories(drawn)
    rows = sum(found.counts) + found.other
    expected = len(found.names) / values
    # Five standard errors of a binomial.
    assert abs(sum(found.counts) / rows - expected) < 5 * (expected * (1 - expected) / rows) ** 0.5


def test_what_few_rows_have_is_never_named() -> None:
    """A column of e-mail addresses leaves none of them in the profile."""
    addresses = np.array([f"person{number}@example.org" for number in range(500)] * 2, dtype=object)
    assert categories(addresses) == Categories(names=(), counts=(), other=1000)
    words = np.array([f"w{number}" for number in range(2 * MAX_CATEGORIES)] * 50, dtype=object)
    assert len(categories(words).names) == MAX_CATEGORIES
    some = np.array([f"w{number}" for number in range(40)] * 4 + ["often"] * 40, dtype=object)
    assert categories(some).names == ("often",)


def test_flags_are_called_true_and_false() -> None:
    flags = np.array([True, False, True, None] * 5, dtype=object)
    assert categories(flags) == Categories(names=("true", "false"), counts=(10, 5), missing=5)
    assert sketch(np.array([True] * 6)) == Categories(names=("true",), counts=(6,))


@given(WORDS, WORDS)
def test_other_text_is_counted_on_the_names_of_the_reference(one: list[Any], other: list[Any]) -> None:
    reference = categories(np.array(one, dtype=object))
    found = counted_on(reference, np.array(other, dtype=object))
    assert isinstance(found, Categories)
    assert found.names == reference.names
    assert found.counts == tuple(other.count(name) for name in reference.names)
    assert sum(found.counts) + found.other + found.missing == len(other)
    assert found.missing == other.count(None)


def test_columns_are_taken_one_at_a_time() -> None:
    """So that only one of them has to be in memory."""
    alive: list[int] = []

    def columns() -> Any:
        for number in range(3):
            alive.append(number)
            yield f"f{number}", np.arange(10.0) + number

    found = sketches(columns())
    assert list(found) == ["f0", "f1", "f2"]
    assert alive == [0, 1, 2]


def test_calibration_is_by_the_bins_of_the_scores() -> None:
    found = calibration(np.array([0.2, 0.2, 0.8, 1.0]), np.array([False, True, True, True]), (0.5, 0.9))
    assert (found.rows, found.positives) == ((2, 1, 1), (1, 1, 1))
    assert found.scores == pytest.approx((0.4, 0.8, 1.0))


def test_few_scores_have_a_bin_each() -> None:
    found = scores(np.array([0.2, 0.8, 0.4, 0.2, 0.4]), 0.5)
    assert found.edges == pytest.approx((0.3, 0.6))


def test_many_scores_have_edges_where_the_label_and_the_multiples_of_the_grid_change() -> None:
    drawn = np.random.default_rng(1).beta(2, 8, 5000)
    found = scores(drawn, 0.137)
    assert len(found.edges) <= MAX_EDGES
    for place in (0.05, 0.1, 0.137, 0.3, 0.5):
        beside = min(found.edges, key=lambda edge: abs(edge - place))
        assert np.count_nonzero(drawn <= beside) == np.count_nonzero(drawn <= place)

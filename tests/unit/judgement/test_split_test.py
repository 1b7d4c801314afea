"""Challenger and champion side by side: what both share is no evidence, and a margin is never broken by chance."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.judgement.detector import Tally, log_trial_weight
from viridian.judgement.split_test import Concurrent, Margin, SlotTallies, log_no_worse, log_worse

NONE = Margin()
MARGINS = st.one_of(
    st.just(NONE), st.floats(0.05, 2).map(Margin), st.floats(0.005, 0.3).map(lambda points: Margin(absolute=points))
)


def both(challenger: tuple[float, float], champion: tuple[float, float]) -> SlotTallies:
    return SlotTallies(Tally(*challenger), Tally(*champion))


def worse(*steps: SlotTallies, margin: Margin = NONE) -> float:
    """The evidence of the whole trial."""
    return math.exp(log_worse(Concurrent(steps), margin) - log_trial_weight())


def no_worse(*steps: SlotTallies, margin: Margin) -> float:
    return math.exp(log_no_worse(Concurrent(steps), margin))


def binomial(total: int, bad: int, share: float) -> float:
    return math.comb(total, bad) * share**bad * (1 - share) ** (total - bad)


def mean(asked: tuple[int, int], shares: tuple[float, float], margin: Margin, *, is_worse: bool) -> float:
    """Of the evidence, computed exactly over every number of bad answers of both."""
    return math.fsum(
        binomial(asked[0], ours, shares[0])
        * binomial(asked[1], theirs, shares[1])
        * (worse(split, margin=margin) if is_worse else no_worse(split, margin=margin))
        for ours in range(asked[0] + 1)
        for theirs in range(asked[1] + 1)
        for split in [both((ours, asked[0]), (theirs, asked[1]))]
    )


ASKED = st.tuples(st.integers(1, 12), st.integers(1, 12))


@given(ASKED, st.floats(0, 0.9), st.floats(0, 1), MARGINS)
def test_the_mean_is_at_most_one_as_long_as_the_margin_is_kept(
    asked: tuple[int, int], champion: float, part: float, margin: Margin
) -> None:
    """That makes it an e-value, for every rate of the champion and of a challenger within the margin."""
    most = min(1.0, (1 + margin.relative) * champion + margin.absolute)
    assert mean(asked, (part * most, champion), margin, is_worse=True) <= 1 + 1e-9


@given(ASKED, st.floats(0, 0.9), st.floats(0, 1), MARGINS)
def test_so_is_the_evidence_that_it_is_no_worse_as_long_as_it_is(
    asked: tuple[int, int], champion: float, part: float, margin: Margin
) -> None:
    least = (1 + margin.relative) * champion + margin.absolute
    if least <= 1:
        assert mean(asked, (least + part * (1 - least), champion), margin, is_worse=False) <= 1 + 1e-9


def test_an_outage_of_both_is_no_evidence() -> None:
    assert worse(both((240, 800), (2160, 7200))) < 1


def test_neither_is_a_weight_that_moves_with_the_base_rate() -> None:
    """Pooled, the challenger has 2.9 % errors and the champion 1.7 %."""
    steps = [both((2, 200), (98, 9800)), both((150, 5000), (150, 5000))]
    assert worse(*steps) < 1
    assert worse(both((152, 5200), (248, 14_800))) > 1000


@pytest.mark.parametrize("ratio", [2, 3, 5])
def test_a_challenger_that_fails_more_often_is_found(ratio: int) -> None:
    """1 % of the champion's 72,000 answers; the challenger has answered a ninth of that."""
    assert worse(both((80 * ratio, 8000), (720, 72_000))) > 100


def test_a_margin_permits_what_is_within_it() -> None:
    twice = both((160, 8000), (720, 72_000))
    assert worse(twice, margin=Margin(relative=1.0)) < 1
    assert worse(twice, margin=Margin(absolute=0.01)) < 1
    assert worse(twice, margin=Margin(relative=0.25)) > 100
    assert worse(twice, margin=Margin(absolute=0.002)) > 100


def test_without_a_single_error_an_absolute_margin_is_kept_after_some_hundred_requests() -> None:
    assert no_worse(both((0, 100), (0, 900)), margin=Margin(absolute=0.01)) < 20
    assert no_worse(both((0, 800), (0, 7200)), margin=Margin(absolute=0.01)) > 20


def test_a_relative_one_needs_errors_to_compare() -> None:
    assert no_worse(both((0, 8000), (0, 72_000)), margin=Margin(relative=0.5)) == pytest.approx(1.0)
    assert no_worse(both((80, 8000), (720, 72_000)), margin=Margin(relative=0.5)) > 20


@pytest.mark.parametrize("steps", [(), (both((5, 10), (0, 0)),), (both((0, 0), (5, 10)),)])
def test_one_alone_is_compared_with_nobody(steps: tuple[SlotTallies, ...]) -> None:
    assert worse(*steps) == pytest.approx(1.0)
    assert no_worse(*steps, margin=Margin(relative=0.5)) == pytest.approx(1.0)


def test_what_has_begun_lately_counts_as_well() -> None:
    """After an hour in which both were alike, the challenger fails at every second request."""
    hour, lately = both((80, 28_800), (720, 259_200)), both((12, 24), (1, 216))
    now = both((92, 28_824), (721, 259_416))
    assert log_worse(Concurrent([now]), NONE) < math.log(100)
    assert log_worse(Concurrent([now], [(3597, lately)]), NONE) > math.log(100)
    assert log_worse(Concurrent([hour]), NONE) < 0

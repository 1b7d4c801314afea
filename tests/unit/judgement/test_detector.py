"""Two memories of a trial: the whole of it finds what leaks slowly, the window what breaks suddenly."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.judgement.detector import Memory, Tally, detect, log_of_sum, log_trial_weight, log_weights
from viridian.judgement.evidence import log_against_share

BOUND = 0.01
ENOUGH = math.log(100)
TALLIES = st.builds(lambda bad, good: Tally(float(bad), float(bad + good)), st.integers(0, 200), st.integers(0, 2000))


@given(st.lists(st.floats(0, 1e6), max_size=60), st.data())
def test_all_bets_together_weigh_no_more_than_one(bad: list[float], data: st.DataObject) -> None:
    """Whatever was bad by which moment, and whichever moments are looked at."""
    numbers = [number if data.draw(st.booleans()) else None for number in range(len(bad))]
    weights = math.fsum(math.exp(weight) for weight in log_weights(bad, numbers))
    assert math.exp(log_trial_weight()) + weights <= 1 + 1e-9


def test_they_weigh_nearly_one_in_the_end() -> None:
    """100,000 looks with ten bad answers each; what is left is the rest of two sums that telescope."""
    moments = range(100_001)
    weights = log_weights([10.0 * moment for moment in moments], list(moments))
    counted = math.exp(log_trial_weight()) + math.fsum(map(math.exp, weights))
    assert counted == pytest.approx(1 - 0.53 * 40 / 1_000_040 - 0.05 * 1800 / 101_801)


def test_the_weight_of_a_bet_depends_on_what_was_bad_before_it_alone() -> None:
    later = log_weights([3.0, 5.0, 5.0, 900.0], [7, 8, 9, 10])
    assert later[:3] == log_weights([3.0, 5.0, 5.0], [7, 8, 9])
    assert later[1] > later[2], "two bad answers were new there"


def test_a_healthy_hour_with_few_bad_answers_takes_little_of_the_weights() -> None:
    few, many = log_weights([7.0, 8.0], [None, None])[1], log_weights([700.0, 701.0], [None, None])[1]
    assert few > math.log(0.005) > many


def test_a_slow_leak_is_found_that_no_window_shows() -> None:
    """2 % instead of 1 % at one request a second, for an hour; the last minute happens to be clean."""
    found = detect(Memory(Tally(72, 3600), [(number, Tally(0, 3600 - number)) for number in range(3540, 3600)]), BOUND)
    assert found.log_evidence >= ENOUGH
    assert found.by_trial


def test_what_breaks_after_an_hour_of_health_is_found_within_a_few_answers() -> None:
    """20 requests a second, of which a third fail since half a second ago: the whole trial is far within its bound."""
    recent = [(number, Tally(4, 20 * (3600 - number) - 8)) for number in range(3540, 3600)]
    one_look = detect(Memory(Tally(40, 72_000), recent), BOUND)
    more = [(number, Tally(10, tally.total + 20)) for number, tally in recent]
    assert not one_look.by_trial
    assert detect(Memory(Tally(46, 72_020), more), BOUND).log_evidence >= ENOUGH


def test_the_window_as_a_whole_would_need_far_more() -> None:
    """The good answers of the minute before hide the break from a bet that starts with the window."""
    assert log_against_share(10, 1220, BOUND) < ENOUGH


def test_what_broke_before_the_window_is_found_although_the_trial_is_within_its_bound() -> None:
    """5 % at one request a second for six minutes, after an hour with seven bad answers."""
    earlier = [Tally(18.0 - new, 360.0 - 20 * new) for new in range(-1, 16)]
    recent = [(number, Tally(2.0, 3960.0 - number)) for number in range(3900, 3960)]
    found = detect(Memory(Tally(25, 3960), recent, earlier), BOUND)
    assert found.log_evidence >= ENOUGH
    assert not found.by_trial
    assert found.by_earlier in earlier
    assert detect(Memory(Tally(25, 3960), recent), BOUND).log_evidence < ENOUGH


@given(TALLIES, st.lists(st.tuples(st.integers(0, 10_000), TALLIES), max_size=5))
def test_bets_that_have_lost_change_nothing(trial: Tally, recent: list[tuple[int, Tally]]) -> None:
    lost = [(number, Tally(0.0, 50.0)) for number in range(20)]
    assert detect(Memory(trial, [*recent, *lost]), BOUND) == detect(Memory(trial, recent), BOUND)


@given(TALLIES, st.lists(st.tuples(st.integers(0, 10_000), TALLIES), max_size=5))
def test_it_is_never_more_than_the_best_bet(trial: Tally, recent: list[tuple[int, Tally]]) -> None:
    bets = [log_against_share(tally.bad, tally.total, BOUND) for tally in (trial, *(tally for _, tally in recent))]
    assert detect(Memory(trial, recent[:60]), BOUND).log_evidence <= max(bets) + 1e-9


def test_a_bound_of_zero_is_broken_by_the_first_bad_answer() -> None:
    assert detect(Memory(Tally(1, 10), [(0, Tally(1, 10))]), 0).log_evidence == math.inf


def test_the_sum_of_nothing() -> None:
    assert log_of_sum([]) == -math.inf
    assert log_of_sum([-math.inf, 0.0]) == pytest.approx(0.0)

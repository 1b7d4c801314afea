"""Two memories of a trial: the whole of it finds what leaks slowly, the window what breaks suddenly."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.judgement.detector import Memory, Tally, detect, log_of_sum, log_trial_weight, log_weight
from viridian.judgement.evidence import log_against_share

BOUND = 0.01
ENOUGH = math.log(100)
TALLIES = st.builds(lambda bad, good: Tally(float(bad), float(bad + good)), st.integers(0, 200), st.integers(0, 2000))


def test_all_bets_together_weigh_no_more_than_one() -> None:
    """What the first million leave is the whole of the rest, since the weights telescope."""
    counted = math.fsum(math.exp(log_weight(moment)) for moment in range(100_000))
    rest = math.exp(log_weight(100_000)) * (100_000 + 301)
    assert math.exp(log_trial_weight()) + counted + rest == pytest.approx(1.0)


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

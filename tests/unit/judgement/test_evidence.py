"""The e-value against a share: grows with bad answers, shrinks with good ones, and is rarely large by chance."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import FALSE_ALARMS
from viridian.judgement.evidence import against_share, log_against_share

BOUNDS = st.floats(0.001, 0.99)
COUNTS = st.integers(0, 5000)


@given(COUNTS, COUNTS, BOUNDS)
def test_more_bad_answers_are_never_weaker_evidence(bad: int, good: int, bound: float) -> None:
    total = bad + good + 1
    assert log_against_share(bad + 1, total, bound) > log_against_share(bad, total, bound)


@given(COUNTS, COUNTS, BOUNDS)
def test_more_good_answers_are_never_stronger_evidence(bad: int, good: int, bound: float) -> None:
    assert log_against_share(bad, bad + good + 1, bound) < log_against_share(bad, bad + good, bound) or bad + good == 0


@given(COUNTS, BOUNDS)
def test_good_answers_alone_are_no_evidence(good: int, bound: float) -> None:
    assert against_share(0, good, bound) <= 1


@given(COUNTS, COUNTS, st.floats(-1, 2, allow_nan=False))
def test_it_is_a_number_whatever_is_asked(bad: int, good: int, bound: float) -> None:
    assert against_share(bad, bad + good, bound) >= 0


@pytest.mark.parametrize(("bad", "total", "expected"), [(0, 0, 1.0), (0, 10, 1.0), (1, 10, math.inf)])
def test_a_bound_of_zero_is_broken_by_the_first_bad_answer(bad: int, total: int, expected: float) -> None:
    assert against_share(bad, total, 0) == expected


def test_a_bound_of_one_cannot_be_broken() -> None:
    assert against_share(10, 10, 1) == 1


def test_a_bound_near_one_can() -> None:
    assert against_share(1000, 1000, 0.97) > 100


@pytest.mark.parametrize("bound", [0.01, 0.05])
@pytest.mark.parametrize("total", [20, 200, 2000])
def test_the_mean_under_the_bound_is_at_most_one(bound: float, total: int) -> None:
    """That makes it an e-value: computed exactly, over every number of bad answers."""
    logs = (log_binomial(total, bad, bound) + log_against_share(bad, total, bound) for bad in range(total + 1))
    assert math.fsum(map(math.exp, logs)) == pytest.approx(1.0, abs=1e-6)


def log_binomial(total: int, bad: int, share: float) -> float:
    ways = math.lgamma(total + 1) - math.lgamma(bad + 1) - math.lgamma(total - bad + 1)
    return ways + bad * math.log(share) + (total - bad) * math.log1p(-share)


def alarms(share: float, bound: float, *, per_second: int, window: int, seconds: int, rollouts: int) -> float:
    """Share of rollouts in which the judge, looking each second at the trailing window, would have cried wolf."""
    chance = random.Random(20261123)
    return sum(_cries(chance, share, bound, per_second, window, seconds) for _ in range(rollouts)) / rollouts


def _cries(chance: random.Random, share: float, bound: float, per_second: int, window: int, seconds: int) -> bool:
    recent: deque[int] = deque(maxlen=window)
    threshold, bad = _threshold(bound, per_second * window), 0
    for second in range(seconds):
        if len(recent) == window:
            bad -= recent[0]
        recent.append(_binomial_draw(chance, per_second, share))
        bad += recent[-1]
        total = per_second * min(second + 1, window)
        if bad >= (threshold if total == per_second * window else _threshold(bound, total)):
            return True
    return False


_KNOWN: dict[tuple[float, int], int] = {}


def _threshold(bound: float, total: int) -> int:
    """The smallest number of bad answers that is a breach at the default evidence of 100."""
    key = (bound, total)
    if key not in _KNOWN:
        _KNOWN[key] = next(bad for bad in range(total + 2) if against_share(bad, total, bound) >= 100)
    return _KNOWN[key]


def _binomial_draw(chance: random.Random, count: int, share: float) -> int:
    """By waiting times: as many draws as there are bad answers, and one more."""
    drawn, at = 0, 0
    while True:
        at += 1 + int(math.log(1.0 - chance.random()) / math.log1p(-share))
        if at > count:
            return drawn
        drawn += 1


@pytest.mark.parametrize(
    ("share_of_bound", "most"), [(0.5, 0.001), (0.8, 0.005), (1.0, 0.03)], ids=["half", "four fifths", "all of it"]
)
def test_false_alarms_in_ten_minutes_of_looks(
    share_of_bound: float, most: float, record_property: Callable[[str, object], None]
) -> None:
    """Trailing windows look at overlapping samples again and again, so Ville's 1 % holds for one sample only.

    What matters is measured here: how often a model that keeps its bound (error-rate 1 %, 50 requests/s, windows of a
    minute, 600 looks) is sent home in ten minutes.
    """
    rate = alarms(share_of_bound * 0.01, 0.01, per_second=50, window=60, seconds=600, rollouts=1000)
    record_property(FALSE_ALARMS, f"{share_of_bound:.0%} of the bound: {rate:.1%} of 10-minute rollouts")
    assert rate <= most + 2 * NormalDist().inv_cdf(0.99) * math.sqrt(most / 1000)


@pytest.mark.parametrize(("share", "answers"), [(0.3, 30), (0.1, 90), (0.05, 250)])
def test_a_broken_model_is_found_within_so_many_answers(share: float, answers: int) -> None:
    assert against_share(share * answers, answers, 0.01) >= 100

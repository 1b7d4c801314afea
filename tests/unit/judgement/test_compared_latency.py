"""Which answers are slow where latencies are compared: the margin is finer than the buckets of the histogram."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from viridian.api.samples import LATENCY_BOUNDS
from viridian.judgement.canary import Bound, tally
from viridian.judgement.compared_latency import slow_answers
from viridian.judgement.counts import Counts
from viridian.judgement.split_test import Margin

P95 = Bound("latency-p95", math.inf, 5)


def answers(median: float, sigma: float, total: float) -> Counts:
    """The histogram of lognormal times, as it is in the long run."""
    times = NormalDist(math.log(median), sigma)
    within = [total * times.cdf(math.log(bound)) for bound in LATENCY_BOUNDS]
    return Counts(total, 0.0, tuple(zip((*LATENCY_BOUNDS, math.inf), (*within, total), strict=True)))


@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("median", [0.012, 0.03, 0.05, 0.11, 0.6])
@pytest.mark.parametrize("relative", [0.1, 0.2, 0.5])
def test_a_challenger_at_its_margin_has_as_many_slow_answers_as_its_champion(
    sigma: float, median: float, relative: float
) -> None:
    champion, challenger = answers(median, sigma, 1e6), answers(median * (1 + relative), sigma, 1e5)
    bounds = slow_answers(P95, Margin(relative=relative), challenger, champion)
    assert bounds is not None
    ours, theirs = tally(bounds[0], challenger), tally(bounds[1], champion)
    assert theirs.bad / theirs.total == pytest.approx(0.05, rel=0.01)
    assert ours.bad / ours.total == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize("mean", [0.01, 0.05, 0.2])
def test_so_it_has_about_where_times_are_not_lognormal(mean: float) -> None:
    """Exponential ones, which have a longer tail."""

    def exponential(mean: float, total: float) -> Counts:
        within = [total * (1 - math.exp(-bound / mean)) for bound in LATENCY_BOUNDS]
        return Counts(total, 0.0, tuple(zip((*LATENCY_BOUNDS, math.inf), (*within, total), strict=True)))

    champion, challenger = exponential(mean, 1e6), exponential(1.2 * mean, 1e5)
    bounds = slow_answers(P95, Margin(relative=0.2), challenger, champion)
    assert bounds is not None
    assert tally(bounds[0], challenger).bad == pytest.approx(5000, rel=0.1)


@pytest.mark.parametrize(("slower", "share"), [(1.0, 0.0225), (1.4, 0.0907), (2.0, 0.2666)])
def test_a_faster_one_has_fewer_and_a_slower_one_has_more(slower: float, share: float) -> None:
    """By the normal distribution, with a margin of 20 % and a sigma of 0.5."""
    champion, challenger = answers(0.05, 0.5, 1e6), answers(0.05 * slower, 0.5, 1e5)
    bounds = slow_answers(P95, Margin(relative=0.2), challenger, champion)
    assert bounds is not None
    ours = tally(bounds[0], challenger)
    assert ours.bad / ours.total == pytest.approx(share, rel=0.05)


def test_until_a_challenger_has_a_tail_of_its_own_it_is_taken_for_the_champions() -> None:
    champion, few = answers(0.05, 0.5, 1e6), Counts(1, 0, tuple((b, 1.0) for b in (*LATENCY_BOUNDS, math.inf)))
    like, alone = (slow_answers(P95, Margin(relative=0.2), one, champion) for one in (champion, few))
    assert like is not None
    assert alone is not None
    assert alone[0].beyond == pytest.approx(like[0].beyond)


def test_both_counts_add_up() -> None:
    champion, challenger = answers(0.05, 0.5, 1e6), answers(0.06, 0.5, 1e4)
    bounds = slow_answers(P95, Margin(relative=0.2), challenger, champion)
    assert bounds is not None
    first, rest = answers(0.05, 0.5, 4000), answers(0.07, 0.5, 6000)
    both = tally(bounds[0], first) + tally(bounds[0], rest)
    assert both.bad == pytest.approx(tally(bounds[0], first + rest).bad)


@pytest.mark.parametrize("total", [0.0, 199.0])
def test_of_few_answers_no_quantile_is_taken(total: float) -> None:
    assert slow_answers(P95, Margin(relative=0.2), answers(0.05, 0.5, 1e4), answers(0.05, 0.5, total)) is None


def test_beyond_the_last_bucket_everything_is_slow() -> None:
    champion = answers(30.0, 0.1, 1000)
    bounds = slow_answers(P95, Margin(relative=0.2), champion, champion)
    assert bounds is not None
    assert tally(bounds[0], champion).bad == pytest.approx(1000, rel=0.01)


def test_a_runtime_with_other_buckets_is_compared_all_the_same() -> None:
    champion, other = answers(0.05, 0.5, 1e5), Counts(500, 0, ((0.1, 450.0), (0.5, 495.0), (math.inf, 500.0)))
    bounds = slow_answers(P95, Margin(absolute=0.02), other, champion)
    assert bounds is not None
    assert 5 <= tally(bounds[0], other).bad <= 50

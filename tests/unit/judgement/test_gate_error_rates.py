"""A candidate that is truly worse hardly ever passes, and an equal one as often as is stated.

Simulated on small holdouts; `benchmarks.judgement.gate` has up to 50,000 rows and 2,000 simulations of each cell.
"""

from __future__ import annotations

from functools import cache, partial

import pytest
from scipy import stats

from benchmarks.judgement.gate import ALLOWED, HELD, WORSE, any_passes, passed
from viridian.api.evaluation import DEFAULT_CONFIDENCE

ROUNDS = 200
simulated = cache(partial(passed, rounds=ROUNDS, seed=7))


@pytest.mark.parametrize("rows", [500, 2000])
def test_a_worse_candidate_passes_at_most_in_one_of_fifty_cases_and_an_equal_one_as_stated(rows: int) -> None:
    counts, error = simulated(rows)
    for rule in HELD:
        assert counts[rule, WORSE] <= stats.binom.ppf(0.999, ROUNDS, ALLOWED)
    for margin in (0.005, 0.010, 0.020):
        stated = stats.norm.cdf(margin / error - stats.norm.ppf(DEFAULT_CONFIDENCE))
        low, high = stats.binom.ppf([0.0001, 0.9999], ROUNDS, stated)
        assert low <= counts[f"NonInferior {margin:.3f}", "equal"] <= high


def test_two_numbers_pass_a_worse_candidate_far_more_often() -> None:
    counts, _ = simulated(500)
    assert counts["naive", WORSE] > 5 * counts["NonInferior 0.005", WORSE]
    assert counts["MLflow", WORSE] > 5 * counts["NonInferior 0.005", WORSE]


def test_a_holdout_that_counts_its_questions_passes_fewer_bad_candidates() -> None:
    found = any_passes(500, 30, seed=9)
    assert found["counted"] < found["not counted"] < found["naive"]

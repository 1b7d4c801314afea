"""Many trials at once: what simulations take for the evidence, and how often a good version is rejected."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.judgement.bounded import at_most, evidence_at
from benchmarks.judgement.rejections import BOUND, NEEDED, WINDOW, Counts, since_start


def trials(asked: Counts, share: float, count: int) -> tuple[Counts, Counts]:
    """The bad answers of each trial before each look, and all answers."""
    bad = np.random.default_rng(1).binomial(asked, share, size=(count, len(asked)))
    return since_start(bad), np.concatenate([[0], asked.cumsum()])


@pytest.mark.parametrize("share", [BOUND, 0.05])
def test_the_simulation_never_has_less_evidence_than_the_operator(share: float) -> None:
    bad, totals = trials(np.full(400, 4), share, 8)
    for look, most in enumerate(at_most(bad, totals), start=1):
        if look % 20 == 0:
            exact = [evidence_at(one, totals, look) for one in bad]
            assert all(most >= np.array(exact) - 1e-9)
            if look <= WINDOW:
                assert np.exp(exact) == pytest.approx(np.exp(most), rel=0.05, abs=0.05), "nothing is forgotten yet"


@pytest.mark.parametrize("asked", [(1,) * 1800, (8,) * 1800, (2,) * 600 + (10,) * 600 + (20,) * 600])
def test_a_version_exactly_at_its_bound_is_rejected_in_at_most_one_trial_of_a_hundred(asked: tuple[int, ...]) -> None:
    """With three standard errors of 2,000 trials."""
    bad, totals = trials(np.array(asked), BOUND, 2000)
    rejected = np.zeros(len(bad), dtype=np.bool_)
    for most in at_most(bad, totals):
        rejected |= most >= NEEDED
    assert rejected.mean() <= 0.01 + 3 * math.sqrt(0.01 / len(bad))

"""Whose breach it is: the challenger's own, or one that the champion has as well."""

from __future__ import annotations

import math

import pytest

from viridian.judgement.beside_champion import BesideChampion, shares_its_breach
from viridian.judgement.canary import Bound
from viridian.judgement.detector import Tally
from viridian.judgement.evidence import log_keeps_beside
from viridian.judgement.split_test import Concurrent, Margin, SlotTallies

BOUND = Bound("error-rate", 0.01, min_samples=5)


def shared(ours: tuple[float, float], theirs: tuple[float, float], healthy: float = 0) -> bool:
    """Bad and all answers of both since the breach began, after so many times as many good ones."""
    whole = SlotTallies(Tally(ours[0], ours[1] * (1 + healthy)), Tally(theirs[0], theirs[1] * (1 + healthy)))
    known = Concurrent([whole], [(3600, SlotTallies(Tally(*ours), Tally(*theirs)))])
    return shares_its_breach(BOUND, BesideChampion(bounded=known, concurrent=known), Margin(), evidence_needed=100)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param((12, 40), (12, 40), True, id="both at once, in one look"),
        pytest.param((6, 20), (60, 200), True, id="both, with a small weight"),
        pytest.param((60, 200), (6, 20), True, id="both, with a large weight"),
        pytest.param((12, 40), (0, 40), False, id="a champion that is well"),
        pytest.param((12, 40), (1, 360), False, id="a champion with a stray error"),
        pytest.param((200, 200), (0, 5), False, id="five good answers, where the challenger has none"),
        pytest.param((12, 40), (0, 0), False, id="a champion that was not asked"),
        pytest.param((36, 40), (3, 40), False, id="far more than the champion"),
    ],
)
def test_a_breach_is_shared_by_a_champion_that_fails_alike(
    ours: tuple[float, float], theirs: tuple[float, float], expected: bool
) -> None:
    assert shared(ours, theirs, healthy=3600) == expected
    assert shared(ours, theirs) == expected


def test_healthy_hours_before_change_nothing() -> None:
    """The champion's share in the whole trial is far within the bound, and says nothing of the breach."""
    assert shared((12, 40), (12, 40), healthy=1e6)


@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_the_ends_of_the_scale(bound: float) -> None:
    assert log_keeps_beside(5, 10, (0, 0), bound) == 0
    assert log_keeps_beside(5, 10, (5, 10), bound) <= 0
    assert log_keeps_beside(5, 10, (0, 10), bound) >= 0


def test_more_good_answers_of_the_champion_are_stronger_evidence_that_it_is_well() -> None:
    found = [log_keeps_beside(12, 40, (0, answers), 0.01) for answers in (1, 5, 10, 50)]
    assert found == sorted(found)
    assert found[-1] > math.log(100)

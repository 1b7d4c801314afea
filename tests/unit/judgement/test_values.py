"""Values that another system has computed: a bound, a margin beside the champion, and how many in a row it takes."""

from __future__ import annotations

import pytest

from viridian.judgement.canary import CanaryVerdict
from viridian.judgement.split_test import Margin
from viridian.judgement.values import ValueBound, Values, breaks_in_a_row, judge_values

PASS, BREACH, NO_DATA = CanaryVerdict.PASS, CanaryVerdict.BREACH, CanaryVerdict.NO_DATA
HIGHER = ValueBound("conversion", min=0.05, margin=Margin(relative=0.2), higher_is_better=True)
LOWER = ValueBound("seconds", max=2.0, margin=Margin(absolute=0.5))
BAND = ValueBound("share", min=0.1, max=0.3)
THREE = ValueBound("seconds", max=2.0, consecutive=3, min_samples=3)


def values(*ours: float, beside: tuple[float | None, ...] | None = None) -> Values:
    return Values(ours, len(ours), beside)


@pytest.mark.parametrize(
    ("sentence", "bound", "known", "verdict", "message"),
    [
        ("within both", BAND, values(0.2), PASS, "share 0.2 keeps its bounds"),
        ("exactly at a bound", BAND, values(0.3), PASS, "share 0.3 keeps its bounds"),
        ("above", BAND, values(0.31), BREACH, "share 0.31 is above the maximum 0.3"),
        ("below", BAND, values(0.05), BREACH, "share 0.05 is below the minimum 0.1"),
        ("no value", BAND, values(), NO_DATA, "share: 0 of the 1 values that are needed"),
        ("two of three", THREE, values(3, 3, 1), PASS, "seconds 3 is above the maximum 2, value 2 of 3"),
        ("three of three", THREE, values(3, 3, 3), BREACH, "seconds 3 is above the maximum 2"),
        ("an older row does not count", THREE, values(1, 3, 3, 3), PASS, "seconds 1 keeps its bounds"),
        ("too few", THREE, values(3, 3), NO_DATA, "seconds: 2 of the 3 values that are needed"),
        ("within the margin", HIGHER, values(0.09, beside=(0.1,)), PASS, "conversion 0.09 keeps its bounds"),
        (
            "worse than the champion where higher is better",
            HIGHER,
            values(0.07, beside=(0.1,)),
            BREACH,
            "conversion 0.07 is worse than the champion's 0.1 by more than 20 %",
        ),
        (
            "worse than the champion where lower is better",
            LOWER,
            values(1.6, beside=(1.0,)),
            BREACH,
            "seconds 1.6 is worse than the champion's 1 by more than 0.5",
        ),
        ("better than the champion", LOWER, values(0.1, beside=(1.0,)), PASS, "seconds 0.1 keeps its bounds"),
        (
            "a champion without a value",
            LOWER,
            values(0.1, beside=(None,)),
            NO_DATA,
            "seconds 0.1, but the query has no value for the champion now",
        ),
        (
            "a breach does not wait for the champion",
            LOWER,
            values(2.5, beside=(None,)),
            BREACH,
            "seconds 2.5 is above the maximum 2",
        ),
        ("no champion is asked", LOWER, values(1.9), PASS, "seconds 1.9 keeps its bounds"),
        (
            "a negative value of the champion has a margin too",
            HIGHER,
            values(-1.1, beside=(-1.0,)),
            BREACH,
            "conversion -1.1 is below the minimum 0.05",
        ),
    ],
)
def test_a_verdict_and_its_sentence(
    sentence: str, bound: ValueBound, known: Values, verdict: CanaryVerdict, message: str
) -> None:
    found = judge_values(bound, known)
    assert (found.verdict, found.message) == (verdict, message), sentence
    assert found.beyond is (sentence == "two of three")


@pytest.mark.parametrize(
    ("sentence", "ours", "beside", "shared"),
    [
        ("the champion breaks the bound as well", 2.6, 2.5, True),
        ("it does, and the challenger is worse by more than the margin", 4.0, 2.5, False),
        ("the champion keeps the bound", 2.6, 1.0, False),
        ("nobody knows", 2.6, None, False),
    ],
)
def test_a_breach_of_both_is_no_failing_of_the_challenger(
    sentence: str, ours: float, beside: float | None, shared: bool
) -> None:
    found = judge_values(LOWER, values(ours, beside=(beside,)))
    assert (found.verdict, found.champion_too) == (BREACH, shared), sentence


def test_the_row_of_a_breach_begins_with_its_oldest_value() -> None:
    assert breaks_in_a_row(THREE, values(3, 3, 3, 3, 1, 3)) == 4
    assert breaks_in_a_row(LOWER, values(1.6, 1.6, 1.6, beside=(1.0, 1.0, 1.5))) == 2
    assert breaks_in_a_row(LOWER, values(1.0)) == 0

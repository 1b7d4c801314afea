"""Answers that differ: a bound on false rejections at every look, and many differences are found soon."""

from __future__ import annotations

from random import Random

import pytest

from viridian.judgement.canary import CanaryVerdict
from viridian.judgement.disagreement import Disagreement, judge_disagreement
from viridian.judgement.values import ValueBound

BOUND = ValueBound("disagreement", max=0.05, min_samples=5)


@pytest.mark.parametrize(
    ("answers", "differing", "verdict", "says"),
    [
        (0, 0, CanaryVerdict.NO_DATA, "disagreement: 0 of the 5 compared answers that are needed; where answers are"),
        (4, 4, CanaryVerdict.NO_DATA, "disagreement: 4 of the 5 compared answers that are needed"),
        (200, 4, CanaryVerdict.PASS, "disagreement 2 % over 200 compared answers keeps the maximum 5 %"),
        (20, 2, CanaryVerdict.PASS, "is above the maximum 5 %, but that may be chance (evidence "),
        (200, 60, CanaryVerdict.BREACH, "disagreement 30 % over 200 compared answers is above the maximum 5 %"),
        (20.0, 18.5, CanaryVerdict.BREACH, "disagreement 92.5 % over 20 compared answers is above the maximum 5 %"),
    ],
)
def test_each_count_has_its_verdict(answers: float, differing: float, verdict: CanaryVerdict, says: str) -> None:
    found = judge_disagreement(BOUND, Disagreement(answers, differing), evidence_needed=100)
    assert (found.verdict, says in found.message) == (verdict, True), found.message
    assert found.beyond is ("that may be chance" in says)


@pytest.mark.parametrize("whole", [True, False], ids=["one row an answer", "parts of answers"])
def test_a_challenger_at_its_bound_is_rarely_rejected_however_often_it_is_looked_at(whole: bool) -> None:
    chance, rejected = Random(7), 0
    for _ in range(300):
        differing = 0.0
        for answers in range(1, 151):
            differing += float(chance.random() < 0.05) if whole else 0.1 * chance.random()
            found = judge_disagreement(BOUND, Disagreement(answers, differing), evidence_needed=20)
            if found.verdict is CanaryVerdict.BREACH:
                rejected += 1
                break
    assert rejected / 300 <= 1 / 20

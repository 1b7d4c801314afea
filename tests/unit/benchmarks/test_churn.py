"""Which failed requests `benchmarks.churn` blames on the bad versions."""

from __future__ import annotations

from benchmarks.churn.counted import Counted, counted
from benchmarks.rollback.traffic import LOST, Answer


def test_what_a_bad_version_failed_is_apart_from_what_nobody_can_explain() -> None:
    answers = [
        Answer(1.0, "good", good=True),
        Answer(2.0, "bad", good=True),
        Answer(3.0, "bad", good=False),
        Answer(4.0, LOST, good=False, asked="bad"),
        Answer(5.0, LOST, good=False, asked="good"),
        Answer(6.0, LOST, good=False),
        Answer(7.0, "good", good=False),
    ]
    assert counted(answers, {"bad"}) == Counted(7, 1, 1, 3)

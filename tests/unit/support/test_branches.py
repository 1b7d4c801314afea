"""A child of the process leaves nothing behind, and its failure is told."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.branches import Turns, in_a_child


def test_what_a_child_changes_stays_in_it() -> None:
    numbers = [1]

    def check() -> None:
        numbers.append(2)
        assert numbers == [1, 2]

    in_a_child(check)
    in_a_child(check)
    assert numbers == [1]


def test_a_child_that_fails_says_why() -> None:
    def check() -> None:
        raise AssertionError("one is not two")

    with pytest.raises(AssertionError, match="one is not two"):
        in_a_child(check)


def test_a_child_that_dies_has_failed() -> None:
    with pytest.raises(AssertionError, match="the child ended with -9"):
        in_a_child(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_at_each_turn_a_child_goes_on_otherwise_and_is_checked_at_its_end() -> None:
    turns, taken = Turns(), list[str]()

    def story() -> None:
        taken.extend("child" if turns.here_otherwise() else "parent" for _ in range(3))

    def check() -> None:
        assert taken.count("child") == 1
        assert len(taken) == 3

    turns.tell(story, check)
    assert taken == ["parent"] * 3


@pytest.mark.parametrize("fails", ["on the way", "at the end"])
def test_a_turn_that_ends_badly_says_why(fails: str) -> None:
    turns = Turns()

    def story() -> None:
        assert not turns.here_otherwise() or fails == "at the end", "one is not two"

    def check() -> None:
        raise AssertionError("two is not one")

    with pytest.raises(AssertionError, match="one is not two" if fails == "on the way" else "two is not one"):
        turns.tell(story, check)

"""A child of the process leaves nothing behind, and its failure is told."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.branches import in_a_child


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

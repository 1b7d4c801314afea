"""Which requests of a long run failed, and of which cause."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchmarks.rollback.traffic import LOST, Answer


@dataclass(frozen=True)
class Counted:
    """Requests."""

    all: int
    errors_of_bad_versions: int
    lost_with_bad_versions: int
    """Without an answer, on a connection whose last answer came from a bad version: a revert ends such connections at
    once, and what a client sends at that moment is lost."""
    others: int
    """Those that no bad version has caused."""


def counted(answers: Sequence[Answer], bad: Collection[str]) -> Counted:
    """`bad` has the revisions of the bad versions."""
    failed = [answer for answer in answers if not answer.good]
    errors = sum(answer.revision in bad for answer in failed)
    lost = sum(answer.revision == LOST and answer.asked in bad for answer in failed)
    return Counted(len(answers), errors, lost, len(failed) - errors - lost)

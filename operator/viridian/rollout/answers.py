"""What metric sources ask beside the pods, and what was answered: asked aside of the passes, and never waited for.

A question that has no answer yet is neither health nor a breach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class ValueQuestion:
    """The values of an expression of PromQL at some moments up to now, `step` seconds apart."""

    expression: str
    step: int
    values: int
    stale_after: int
    """Seconds after which a sample that was not followed by another one says nothing any more."""


@dataclass(frozen=True, slots=True)
class AnsweredValues:
    """The values of an expression that has one series now, or how many it has."""

    at: datetime
    """The moment of the newest value."""
    series: int
    """How many series have a value at that moment."""
    values: tuple[float | None, ...] = ()
    """The newest first; None where there is no value, or one that is no finite number."""
    not_a_number: bool = False
    """The newest value is there, but NaN or infinite."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The source did not answer, and why, in a sentence for people."""

    at: datetime
    message: str


Answer = AnsweredValues | Unanswered
Answers = Mapping[ValueQuestion, Answer]


def longest_age(question: ValueQuestion) -> timedelta:
    """An answer that is older says nothing about now."""
    return timedelta(seconds=max(30, 3 * question.step))

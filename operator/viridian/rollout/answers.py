"""What metric sources ask beside the pods, and what was answered: asked aside of the passes, and never waited for.

A question that has no answer yet is neither health nor a breach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from viridian.api.performance import Performance
from viridian.api.profile import Sketch


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
class CollectedQuestion:
    """What the collector knows of the rows that a revision has answered since a moment, up to the mature ones."""

    revision: str
    since: datetime
    maturity: timedelta
    """How long after a prediction its outcome counts as known."""
    label: str = ""
    """Under which definition of the label outcomes count; empty: under any."""
    profile: bool = False
    """Whether the distribution of the predictions is wanted as well."""
    span: timedelta = timedelta()
    """Spans of time in which the rows are wanted apart as well; none at all where it is zero."""


@dataclass(frozen=True, slots=True)
class AnsweredRows:
    """What is known of them."""

    at: datetime
    performance: Performance
    prediction: Sketch | None = None
    """None where it was not asked for, or where no server has reported."""
    spans: Mapping[int, Performance] = field(default_factory=dict)
    """The same of each span of time that has rows, by its number, where that was asked for."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The source did not answer, and why, in a sentence for people."""

    at: datetime
    message: str


Question = ValueQuestion | CollectedQuestion
Answer = AnsweredValues | AnsweredRows | Unanswered
Answers = Mapping[Question, Answer]

_ROWS_STEP: Final = timedelta(seconds=15)
"""Servers send what they have counted every few seconds to once a minute."""


def step_of(question: Question) -> timedelta:
    """After how long it is asked again."""
    return timedelta(seconds=question.step) if isinstance(question, ValueQuestion) else _ROWS_STEP


def longest_age(question: Question) -> timedelta:
    """An answer that is older says nothing about now."""
    return max(timedelta(seconds=30), 3 * step_of(question))

"""A metric with a query, a trial that it is asked about, and answers to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from tests.support.snapshots import NOW, ago_time, spec
from tests.unit.rollout.cases import FIRST_STEP, met, trial_world
from viridian.rollout.analysis.selection import questions
from viridian.rollout.answers import Answer, AnsweredValues, Answers, Unanswered, ValueQuestion
from viridian.rollout.input import RolloutInput

QUERY: Final = 'sum(rate(orders{slot="$slot",revision="$revision"}[$window]))'
CONVERSION: Final[dict[str, Any]] = {"name": "conversion", "query": QUERY, "min": 0.05}
TRIAL: Final = replace(FIRST_STEP, entered=ago_time(61), since=ago_time(60), exposure=met(60))
"""For a minute, in which there are twelve values."""


def value_questions(shown: RolloutInput, now: datetime = NOW) -> list[ValueQuestion]:
    """What is asked of Prometheus."""
    return [one for one in questions(shown, now) if isinstance(one, ValueQuestion)]


def known(challenger: Answer | None, champion: Answer | None = None, **metric: Any) -> Answers:
    """The answers to the metric with these settings, about the challenger and about the champion beside it."""
    whole = spec(rollout={"analysis": {"metrics": [{**CONVERSION, **metric}]}})
    asked = questions(trial_world(TRIAL, whole=whole), NOW)
    return {one: answer for one, answer in zip(asked, (challenger, champion), strict=True) if answer is not None}


def answered(*newest_first: float | None, age: float = 0.0, series: int = 1, not_a_number: bool = False) -> Answer:
    """Values a step apart, the last of which was the same for a while before."""
    values = (*newest_first, *[newest_first[-1]] * (5 - len(newest_first))) if newest_first else ()
    return AnsweredValues(NOW - timedelta(seconds=age), series, values, not_a_number)


def no_answer(message: str = "Prometheus at http://prometheus:9090 answered 503") -> Answer:
    return Unanswered(NOW, message)

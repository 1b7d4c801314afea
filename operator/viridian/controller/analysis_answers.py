"""What metric sources want to know of Prometheus, asked beside the passes over their ModelDeployment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from viridian.controller.background_readings import BackgroundReadings
from viridian.controller.keys import Key
from viridian.ports.prometheus import Point, Prometheus, Series
from viridian.rollout.answers import Answer, AnsweredValues, Unanswered, ValueQuestion

_EARLY: Final = timedelta(seconds=0.5)
"""A pass that comes a little before its time asks all the same."""
_NO_PROMETHEUS: Final = "the operator knows no Prometheus; install it with --prometheus-url (Helm: prometheus.url)"


class AnalysisAnswers(BackgroundReadings[ValueQuestion, Answer]):
    """One for all ModelDeployments."""

    def __init__(
        self, prometheus: Prometheus | None, clock: Callable[[], datetime], wake: Callable[[Key], None]
    ) -> None:
        super().__init__(
            (ValueQuestion,),
            clock,
            wake,
            asked_again=lambda question: timedelta(seconds=question.step) - _EARLY,
            not_answered=lambda at, message, _: Unanswered(at, message),
        )
        self._prometheus = prometheus

    def meaning(self, reading: Answer) -> object:
        if isinstance(reading, Unanswered):
            return reading.message
        return reading.series, reading.values, reading.not_a_number

    async def answer(self, key: Key, question: ValueQuestion, now: datetime) -> Answer:
        if self._prometheus is None:
            return Unanswered(now, _NO_PROMETHEUS)
        end = now.timestamp()
        start = end - (question.values - 1) * question.step
        found = await self._prometheus.row(
            key.namespace, question.expression, start, end, question.step, stale_after=question.stale_after
        )
        return _answered(question, found, now)


def _answered(question: ValueQuestion, found: Sequence[Series], now: datetime) -> AnsweredValues:
    """The values of the series that has one now; a series that has ended says nothing about now."""

    def moments_ago(point: Point) -> int:
        return round((now.timestamp() - point.time) / question.step)

    current = [one for one in found if one and moments_ago(one[-1]) <= 0]
    if len(current) != 1:
        return AnsweredValues(now, len(current))
    by_moment = {moments_ago(point): point.value for point in current[0] if math.isfinite(point.value)}
    values = tuple(by_moment.get(moment) for moment in range(question.values))
    return AnsweredValues(now, 1, values, not_a_number=values[0] is None)

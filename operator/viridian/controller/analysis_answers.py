"""What metric sources ask Prometheus and the collector, beside the passes over their ModelDeployment."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from viridian.api.performance import Performance
from viridian.controller.background_readings import BackgroundReadings
from viridian.controller.keys import Key
from viridian.judgement.merging import merge_performances, merge_profiles
from viridian.ports.collector import Collector
from viridian.ports.prometheus import Point, Prometheus, Series
from viridian.rollout.answers import (
    Answer,
    AnsweredRows,
    AnsweredValues,
    CollectedQuestion,
    Question,
    Unanswered,
    ValueQuestion,
    step_of,
)

_EARLY: Final = timedelta(seconds=0.5)
"""A pass that comes a little before its time asks all the same."""
_NO_PROMETHEUS: Final = "the operator knows no Prometheus; install it with --prometheus-url (Helm: prometheus.url)"


class AnalysisAnswers(BackgroundReadings[Question, Answer]):
    """One for all ModelDeployments."""

    def __init__(
        self,
        prometheus: Prometheus | None,
        collector: Collector | None,
        clock: Callable[[], datetime],
        wake: Callable[[Key], None],
    ) -> None:
        super().__init__(
            (ValueQuestion, CollectedQuestion),
            clock,
            wake,
            asked_again=lambda question: step_of(question) - _EARLY,
            not_answered=lambda at, message, _: Unanswered(at, message),
        )
        self._prometheus = prometheus
        self._collector = collector

    def meaning(self, reading: Answer) -> object:
        match reading:
            case AnsweredValues():
                return reading.series, reading.values, reading.not_a_number
            case AnsweredRows():
                return reading.performance, reading.prediction, reading.spans
            case Unanswered():
                return reading.message

    async def answer(self, key: Key, question: Question, now: datetime) -> Answer:
        if isinstance(question, ValueQuestion):
            return await self._values(key, question, now)
        return await self._rows(key, question, now)

    async def _values(self, key: Key, question: ValueQuestion, now: datetime) -> Answer:
        if self._prometheus is None:
            return Unanswered(now, _NO_PROMETHEUS)
        end = now.timestamp()
        start = end - (question.values - 1) * question.step
        found = await self._prometheus.row(
            key.namespace, question.expression, start, end, question.step, stale_after=question.stale_after
        )
        return _answered(question, found, now)

    async def _rows(self, key: Key, question: CollectedQuestion, now: datetime) -> Answer:
        if self._collector is None:
            return Unanswered(now, "the operator knows no collector; install it with one, or with --collector-url")
        start, end = math.ceil(question.since.timestamp()), math.floor((now - question.maturity).timestamp())
        if end <= start:
            return AnsweredRows(now, Performance(predicted=0, labelled=0))
        seconds = question.span.total_seconds() or end - start
        windows = await self._collector.windows(
            key.namespace,
            key.name,
            start=start,
            end=end,
            seconds=seconds,
            revision=question.revision,
            profiles=question.profile,
            label=question.label,
        )
        performance = merge_performances(window.performance for window in windows)
        profile = merge_profiles(window.profile for window in windows if window.profile is not None)
        prediction = profile.prediction if profile is not None else None
        if not question.span:
            return AnsweredRows(now, performance, prediction)
        spans: defaultdict[int, list[Performance]] = defaultdict(list)
        for window in windows:
            spans[int((window.start - start) // seconds)].append(window.performance)
        return AnsweredRows(
            now, performance, prediction, {number: merge_performances(known) for number, known in spans.items()}
        )


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

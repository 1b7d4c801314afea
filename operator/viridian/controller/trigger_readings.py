"""What triggers want to know of Prometheus and the collector, asked beside the passes over their RetrainPolicy."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from viridian.controller.background_readings import BackgroundReadings
from viridian.controller.keys import Key
from viridian.ports.collector import Collector
from viridian.ports.prometheus import Prometheus
from viridian.retraining.triggers.readings import (
    READ_AGAIN,
    LabelQuestion,
    LabelReading,
    MetricQuestion,
    MetricReading,
    NotAnsweredQuestion,
    Question,
    Reading,
)

_EARLY: Final = timedelta(seconds=5)
"""A pass that comes a little before its time asks all the same."""


class TriggerReadings(BackgroundReadings[Question, Reading]):
    """One for all policies."""

    def __init__(
        self,
        prometheus: Prometheus | None,
        collector: Collector | None,
        clock: Callable[[], datetime],
        wake: Callable[[Key], None],
    ) -> None:
        super().__init__(
            (MetricQuestion, LabelQuestion),
            clock,
            wake,
            asked_again=lambda _: READ_AGAIN - _EARLY,
            not_answered=NotAnsweredQuestion,
        )
        self.prometheus = prometheus
        self._collector = collector

    async def answer(self, key: Key, question: Question, now: datetime) -> Reading:
        whole = now.replace(microsecond=0)
        if isinstance(question, MetricQuestion):
            return await self._metric(key, question, whole)
        return await self._labels(key, question, whole)

    def meaning(self, reading: Reading) -> object:
        match reading:
            case MetricReading():
                return reading.series, reading.values
            case LabelReading():
                return reading.outcomes
            case NotAnsweredQuestion():
                return reading.message

    async def _metric(self, key: Key, question: MetricQuestion, now: datetime) -> Reading:
        if self.prometheus is None:
            return NotAnsweredQuestion(now, "the operator knows no Prometheus", lasting=True)
        end = now.timestamp()
        start = end - (question.values - 1) * question.step
        found = await self.prometheus.row(key.namespace, question.expression, start, end, question.step)
        series = [one for one in found if any(not math.isnan(point.value) for point in one)]
        row = series[0] if series else ()
        # A series that has ended says nothing about now.
        current = bool(row) and row[-1].time >= end - question.step
        values = tuple(point.value for point in row if not math.isnan(point.value)) if current else ()
        return MetricReading(now, len(series), values)

    async def _labels(self, key: Key, question: LabelQuestion, now: datetime) -> Reading:
        if self._collector is None:
            return NotAnsweredQuestion(now, "the operator knows no collector", lasting=True)
        start, end = question.since - question.maturity, now - question.maturity
        if end <= start:
            return LabelReading(now, 0)
        span = (end - start).total_seconds()
        windows = await self._collector.windows(
            key.namespace,
            question.deployment,
            start=start.timestamp(),
            end=end.timestamp(),
            seconds=max(1.0, math.ceil(span)),
            revision=None,
            profiles=False,
            label=question.label,
        )
        return LabelReading(now, sum(window.performance.labelled for window in windows))

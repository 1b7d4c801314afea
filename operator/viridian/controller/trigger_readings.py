"""Asks Prometheus and the collector for what triggers want to know, beside the passes: a few questions at a time.

A pass gets what is known and goes on. What is missing or old is asked then, each question once, and the policy is woken
when the answer means something else than the one before. Nothing here is remembered for good: an operator that starts
again asks again.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from viridian.controller.keys import Key
from viridian.ports.collector import Collector, FeedbackError, FeedbackUnavailable
from viridian.ports.prometheus import Prometheus, PrometheusError, PrometheusUnavailable
from viridian.retraining.triggers.readings import (
    READ_AGAIN,
    LabelQuestion,
    LabelReading,
    MetricQuestion,
    MetricReading,
    NotAnsweredQuestion,
    Question,
    Reading,
    Readings,
)

log = logging.getLogger("viridian.triggers")

AT_A_TIME: Final = 4
"""Questions to one peer that are under way."""
LONGEST_SECONDS: Final = 15.0
"""For one question; the ports bound their calls themselves."""
_EARLY: Final = timedelta(seconds=5)
"""A pass that comes a little before its time asks all the same."""


@dataclass(slots=True)
class _Known:
    questions: dict[Question, Reading]
    under_way: set[Question]


class TriggerReadings:
    """One for all policies. `wake(key)` is called when what is known of one has changed."""

    def __init__(
        self,
        prometheus: Prometheus | None,
        collector: Collector | None,
        clock: Callable[[], datetime],
        wake: Callable[[Key], None],
    ) -> None:
        self.prometheus = prometheus
        self._collector = collector
        self._clock = clock
        self._wake = wake
        self._known: dict[Key, _Known] = {}
        # One for each peer: one that does not answer keeps no question to the other one waiting.
        self._rooms = {kind: asyncio.Semaphore(AT_A_TIME) for kind in (MetricQuestion, LabelQuestion)}
        self._tasks: set[asyncio.Task[None]] = set()

    def known(self, key: Key, questions: Sequence[Question], *, ask: bool = True) -> Readings:
        """What is known of these questions; with `ask`, what is old or missing is asked for now."""
        known = self._known.get(key)
        if known is None:
            known = _Known({}, set())
            if questions and ask:
                self._known[key] = known
        if ask:
            known.questions = {one: known.questions[one] for one in questions if one in known.questions}
            for question in questions:
                if question not in known.under_way and self._is_old(known.questions.get(question)):
                    self._begin(key, known, question)
        return {one: known.questions[one] for one in questions if one in known.questions}

    def forget(self, key: Key) -> None:
        """The policy is gone."""
        self._known.pop(key, None)

    def _is_old(self, reading: Reading | None) -> bool:
        return reading is None or self._clock() - reading.at >= READ_AGAIN - _EARLY

    def _begin(self, key: Key, known: _Known, question: Question) -> None:
        known.under_way.add(question)
        task = asyncio.get_running_loop().create_task(self._answer(key, known, question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, key: Key, known: _Known, question: Question) -> None:
        try:
            async with self._rooms[type(question)]:
                reading = await self._ask(key, question)
        finally:
            known.under_way.discard(question)
        before, known.questions[question] = known.questions.get(question), reading
        if _meaning(before) != _meaning(reading):
            self._wake(key)

    async def _ask(self, key: Key, question: Question) -> Reading:
        now = self._clock().astimezone(UTC).replace(microsecond=0)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                if isinstance(question, MetricQuestion):
                    return await self._metric(key, question, now)
                return await self._labels(key, question, now)
        except (PrometheusError, FeedbackError) as error:
            passing = isinstance(error, PrometheusUnavailable | FeedbackUnavailable)
            return NotAnsweredQuestion(now, str(error), lasting=not passing)
        except TimeoutError:
            return NotAnsweredQuestion(now, f"there was no answer within {LONGEST_SECONDS:g} s", lasting=False)
        except Exception as error:  # a mistake of ours about one question must not end the others
            log.exception("a mistake in the operator", extra={"key": str(key)})
            message = f"the answer could not be read: {type(error).__name__}"
            return NotAnsweredQuestion(now, message, lasting=False)

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


def _meaning(reading: Reading | None) -> object:
    """What a pass may decide by: without the time, of which each reading has another one."""
    match reading:
        case MetricReading():
            return reading.series, reading.values
        case LabelReading():
            return reading.outcomes
        case NotAnsweredQuestion():
            return reading.message
        case None:
            return None

"""What triggers want to know is asked beside the passes: each question once, bounded, and the policy is woken."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.memory_collector import MemoryCollector
from tests.support.watched import window
from viridian.api.names import RETRAIN_POLICY
from viridian.controller.background_readings import AT_A_TIME
from viridian.controller.keys import Key
from viridian.controller.trigger_readings import TriggerReadings
from viridian.ports.collector import FeedbackUnavailable
from viridian.ports.prometheus import Point, PrometheusRefused, PrometheusUnavailable, Series
from viridian.retraining.triggers.readings import (
    LabelQuestion,
    LabelReading,
    MetricQuestion,
    MetricReading,
    NotAnsweredQuestion,
    Question,
    Reading,
)

KEY = Key(RETRAIN_POLICY, "ml", "churn")
QUESTION = MetricQuestion("max(error_rate)", 60)
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class MemoryPrometheus:
    """Answers with the series that a test gives, and counts how many ask at the same moment."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float, float, float]] = []
        self.series: list[list[float]] = [[0.3] * 5]
        self.late = 0.0
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.at_once = self.most_at_once = 0

    async def now(self, namespace: str, expression: str, at: float) -> tuple[Series, ...]:
        raise AssertionError("triggers ask for rows")

    async def row(
        self,
        namespace: str,
        expression: str,
        start: float,
        end: float,
        step: float,
        *,
        stale_after: float | None = None,
    ) -> tuple[Series, ...]:
        self.asked.append((namespace, expression, start, end, step))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.failure is not None:
                raise self.failure
        finally:
            self.at_once -= 1
        return tuple(
            tuple(Point(end - self.late - step * (len(one) - 1 - place), value) for place, value in enumerate(one))
            for one in self.series
        )


class Stage:
    def __init__(self) -> None:
        self.now = START
        self.woken: list[Key] = []
        self.woke = asyncio.Event()
        self.prometheus = MemoryPrometheus()
        self.collector = MemoryCollector()
        self.readings = TriggerReadings(self.prometheus, self.collector, lambda: self.now, self.wake)

    def wake(self, key: Key) -> None:
        self.woken.append(key)
        self.woke.set()

    async def read(self, *questions: Question) -> Reading | None:
        """What a pass finds after the answers to the pass before have come."""
        self.readings.known(KEY, questions or (QUESTION,))
        await self.settle()
        return self.readings.known(KEY, questions or (QUESTION,), ask=False).get((questions or (QUESTION,))[0])

    async def settle(self) -> None:
        while self.readings._tasks:
            await asyncio.gather(*self.readings._tasks)


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_pass_does_not_wait_and_the_policy_is_woken_with_the_answer(stage: Stage) -> None:
    assert stage.readings.known(KEY, (QUESTION,)) == {}
    await stage.settle()
    assert stage.woken == [KEY]
    assert stage.readings.known(KEY, (QUESTION,)) == {QUESTION: MetricReading(START, 1, (0.3,) * 5)}
    assert stage.prometheus.asked == [("ml", "max(error_rate)", START.timestamp() - 60, START.timestamp(), 15)]


async def test_a_question_is_asked_once_a_minute_however_many_passes_there_are(stage: Stage) -> None:
    for _ in range(5):
        await stage.read()
    assert len(stage.prometheus.asked) == 1
    stage.now += timedelta(minutes=1)
    await stage.read()
    assert len(stage.prometheus.asked) == 2
    assert stage.woken == [KEY], "an answer that means the same wakes nobody"
    stage.prometheus.series = [[0.1] * 5]
    stage.now += timedelta(minutes=1)
    await stage.read()
    assert stage.woken == [KEY, KEY]


async def test_a_question_under_way_is_not_asked_again_and_few_are_under_way(stage: Stage) -> None:
    stage.prometheus.gate = asyncio.Event()
    questions = [MetricQuestion(f"x{number}", 60) for number in range(20)]
    for _ in range(3):
        stage.readings.known(KEY, questions)
        await asyncio.sleep(0)
    stage.prometheus.gate.set()
    await stage.settle()
    assert len(stage.prometheus.asked) == 20
    assert stage.prometheus.most_at_once == AT_A_TIME


async def test_a_prometheus_that_does_not_answer_keeps_no_question_to_the_collector_waiting(stage: Stage) -> None:
    stage.prometheus.gate = asyncio.Event()
    stage.readings.known(KEY, [MetricQuestion(f"x{number}", 60) for number in range(20)])
    other = Key(RETRAIN_POLICY, "ml", "other")
    question = LabelQuestion("churn", START - timedelta(days=1), timedelta())
    stage.readings.known(other, (question,))
    await asyncio.wait_for(stage.woke.wait(), 10)
    assert stage.readings.known(other, (question,), ask=False) == {question: LabelReading(START, 0)}
    stage.prometheus.gate.set()
    await stage.settle()


@pytest.mark.parametrize(
    ("failure", "lasting"),
    [
        (PrometheusUnavailable("silent"), False),
        (PrometheusRefused("parse error"), True),
        (KeyError("a mistake"), False),
    ],
)
async def test_a_failure_is_a_reading_of_its_own(stage: Stage, failure: Exception, lasting: bool) -> None:
    stage.prometheus.failure = failure
    found = await stage.read()
    assert isinstance(found, NotAnsweredQuestion)
    assert found.lasting is lasting
    stage.prometheus.failure = None
    stage.now += timedelta(minutes=1)
    assert isinstance(await stage.read(), MetricReading)


@pytest.mark.parametrize(
    ("sentence", "series", "late", "expected"),
    [
        ("several series", [[0.3] * 5, [0.1] * 5], 0.0, (2, (0.3,) * 5)),
        ("none", [], 0.0, (0, ())),
        ("values that are none", [[math.nan] * 5], 0.0, (0, ())),
        ("a gap", [[0.3, math.nan, 0.3, 0.3, 0.3]], 0.0, (1, (0.3,) * 4)),
        ("a series that has ended", [[0.3] * 5], 30.0, (1, ())),
    ],
)
async def test_what_is_read_of_the_answer(
    stage: Stage, sentence: str, series: list[list[float]], late: float, expected: tuple[int, tuple[float, ...]]
) -> None:
    stage.prometheus.series, stage.prometheus.late = series, late
    found = await stage.read()
    assert isinstance(found, MetricReading)
    assert (found.series, found.values) == expected, sentence


async def test_a_look_that_asks_nothing_leaves_everything_as_it_is(stage: Stage) -> None:
    assert stage.readings.known(KEY, (QUESTION,), ask=False) == {}
    assert stage.prometheus.asked == []


async def test_what_nobody_asks_any_more_and_policies_that_are_gone_are_forgotten(stage: Stage) -> None:
    await stage.read()
    other = MetricQuestion("other", 60)
    await stage.read(other)
    assert QUESTION not in stage.readings.known(KEY, (QUESTION, other), ask=False)
    stage.readings.forget(KEY)
    assert stage.readings.known(KEY, (other,), ask=False) == {}


async def test_outcomes_of_all_versions_are_counted_once_they_are_mature(stage: Stage) -> None:
    since = START - timedelta(days=10)
    question = LabelQuestion("churn", since, timedelta(days=3), label="churned-30d")
    inside = (since - timedelta(days=2)).timestamp()
    stage.collector.windows_known = [window(inside, labels=70), window(inside, revision="r0", labels=30)]
    assert await stage.read(question) == LabelReading(START, 100)
    ((start, end, revision, profiles),) = stage.collector.asked
    assert (start, end) == ((since - timedelta(days=3)).timestamp(), (START - timedelta(days=3)).timestamp())
    assert (revision, profiles, stage.collector.labels) == (None, False, ["churned-30d"])


async def test_a_collector_that_is_away_is_no_count(stage: Stage) -> None:
    stage.collector.failure = FeedbackUnavailable("it cannot be reached")
    found = await stage.read(LabelQuestion("churn", START - timedelta(days=1), timedelta()))
    assert found == NotAnsweredQuestion(START, "it cannot be reached", lasting=False)


async def test_right_after_a_run_there_is_nothing_to_ask(stage: Stage) -> None:
    assert await stage.read(LabelQuestion("churn", START, timedelta())) == LabelReading(START, 0)
    assert stage.collector.asked == []

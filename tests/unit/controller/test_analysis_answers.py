"""What metric sources ask of Prometheus and the collector, and what becomes of each kind of answer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.memory_collector import MemoryCollector
from tests.support.memory_prometheus import MemoryPrometheus
from tests.support.watched import window
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.api.performance import Performance
from viridian.controller.analysis_answers import AnalysisAnswers
from viridian.controller.keys import Key
from viridian.ports.collector import FeedbackUnavailable
from viridian.ports.prometheus import PrometheusRefused
from viridian.rollout.answers import (
    Answer,
    AnsweredRows,
    AnsweredValues,
    CollectedQuestion,
    Question,
    Unanswered,
    ValueQuestion,
)

KEY = Key(MODEL_DEPLOYMENT, "ml", "churn")
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
VALUES = ValueQuestion("x", step=5, values=3, stale_after=60)
ROWS = CollectedQuestion("r1", START - timedelta(seconds=100), timedelta(seconds=40), "churned", profile=True)


class Stage:
    def __init__(self) -> None:
        self.now = START
        self.woken: list[Key] = []
        self.prometheus, self.collector = MemoryPrometheus(), MemoryCollector()
        self.answers = AnalysisAnswers(self.prometheus, self.collector, lambda: self.now, self.woken.append)

    async def answer(self, question: Question) -> Answer | None:
        self.answers.known(KEY, [question])
        while self.answers._tasks:
            await asyncio.gather(*self.answers._tasks)
        return self.answers.known(KEY, [question], ask=False).get(question)


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_the_newest_value_comes_first(stage: Stage) -> None:
    stage.prometheus.values = lambda _, at: [at - START.timestamp()]
    assert await stage.answer(VALUES) == AnsweredValues(START, 1, (0.0, -5.0, -10.0))
    assert stage.woken == [KEY]


async def test_a_moment_without_a_value_is_a_gap(stage: Stage) -> None:
    stage.prometheus.values = lambda _, at: [] if at == START.timestamp() - 5 else [1.0]
    assert await stage.answer(VALUES) == AnsweredValues(START, 1, (1.0, None, 1.0))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_what_is_no_finite_number_is_no_value(stage: Stage, value: float) -> None:
    stage.prometheus.values = lambda *_: [value]
    assert await stage.answer(VALUES) == AnsweredValues(START, 1, (None, None, None), not_a_number=True)


async def test_a_series_that_has_ended_is_not_counted(stage: Stage) -> None:
    stage.prometheus.values = lambda _, at: [1.0] if at < START.timestamp() else []
    assert await stage.answer(VALUES) == AnsweredValues(START, 0)
    stage.now += timedelta(seconds=5)
    stage.prometheus.values = lambda *_: [1.0, 2.0]
    assert await stage.answer(VALUES) == AnsweredValues(stage.now, 2)


async def test_a_value_is_asked_again_after_its_step_and_wakes_where_it_moved(stage: Stage) -> None:
    stage.prometheus.values = lambda *_: [1.0]
    await stage.answer(VALUES)
    stage.now += timedelta(seconds=4)
    await stage.answer(VALUES)
    assert len(stage.prometheus.asked) == 1
    stage.now += timedelta(seconds=1)
    await stage.answer(VALUES)
    assert (len(stage.prometheus.asked), stage.woken) == (2, [KEY])
    stage.now += timedelta(seconds=5)
    stage.prometheus.values = lambda *_: [2.0]
    await stage.answer(VALUES)
    assert stage.woken == [KEY, KEY]


async def test_a_refusal_is_told_in_its_own_words(stage: Stage) -> None:
    stage.prometheus.failure = PrometheusRefused("parse error")
    assert await stage.answer(VALUES) == Unanswered(START, "parse error")


async def test_without_the_peer_it_is_told_what_to_install() -> None:
    alone = AnalysisAnswers(None, None, lambda: START, lambda _: None)
    for question, flag in ((VALUES, "--prometheus-url"), (ROWS, "--collector-url")):
        found = await alone.answer(KEY, question, START)
        assert isinstance(found, Unanswered)
        assert flag in found.message


async def test_only_mature_rows_of_the_revision_are_asked_for(stage: Stage) -> None:
    start = START.timestamp() - 100
    stage.collector.windows_known = [
        window(start, length=30, labels=20),
        window(start + 30, length=30, labels=30),
        window(start, length=60, revision="other", labels=7),
    ]
    found = await stage.answer(ROWS)
    assert isinstance(found, AnsweredRows)
    assert found.performance.labelled == 50
    assert found.prediction is not None
    assert stage.collector.asked == [(start, start + 60, "r1", True)]
    assert stage.collector.labels == ["churned"]


async def test_while_no_row_can_be_mature_nothing_is_asked(stage: Stage) -> None:
    stage.now = START - timedelta(seconds=60)
    assert await stage.answer(ROWS) == AnsweredRows(stage.now, Performance(predicted=0, labelled=0))
    assert stage.collector.asked == []


async def test_a_collector_that_is_down_says_so_and_keeps_no_query_waiting(stage: Stage) -> None:
    stage.collector.failure = FeedbackUnavailable("the collector is down")
    stage.prometheus.values = lambda *_: [1.0]
    assert await stage.answer(ROWS) == Unanswered(START, "the collector is down")
    assert isinstance(await stage.answer(VALUES), AnsweredValues)


async def test_what_nobody_asks_any_more_is_forgotten(stage: Stage) -> None:
    await stage.answer(VALUES)
    stage.answers.known(KEY, [])
    assert stage.answers.known(KEY, [VALUES], ask=False) == {}
    stage.answers.forget(KEY)

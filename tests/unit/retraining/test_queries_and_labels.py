"""Triggers that ask outside of the cluster: an expression of Prometheus, and how many outcomes have become mature."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.retraining.world import (
    World,
    policy,
    reasons_of,
)
from viridian.retraining.triggers.readings import (
    LabelQuestion,
    LabelReading,
    MetricQuestion,
    MetricReading,
    NotAnsweredQuestion,
    Reading,
)

EXPRESSION = "max(error_rate)"
GATE = {"gate": {"metrics": [{"name": "auc", "min": 0.75}]}}


def kpi(**more: Any) -> dict[str, Any]:
    trigger: dict[str, Any] = {"name": "kpi", "query": {"expression": EXPRESSION, "max": 0.2, "for": "30m"}}
    trigger["query"].update(more.pop("query", {}))
    return {**trigger, **more}


QUESTION = MetricQuestion(EXPRESSION, 1800)


def begin(*triggers: dict[str, Any], **spec: Any) -> World:
    world = World(policy=policy(*triggers, **spec), prometheus=True)
    world.settle()
    return world.later(hours=1)


def read(world: World, *values: float, series: int = 1) -> World:
    """What Prometheus says at this moment of the last half hour; one value stands for all of them."""
    row = values if len(values) > 1 else values * QUESTION.values
    world.readings[QUESTION] = MetricReading(world.now, series, tuple(row))
    return world


# ---- query


def test_a_value_beyond_its_bound_for_long_enough_starts_a_run_with_its_evidence() -> None:
    world = read(begin(kpi()), 0.31)
    world.settle()
    assert reasons_of(world) == [["query:kpi:2026-11-20T13:00:00Z"]]
    (reason,) = world.reasons
    assert reason["evidence"] == {"expression": EXPRESSION, "value": 0.31, "bound": "above 0.2", "for": "30m"}


@pytest.mark.parametrize(
    ("sentence", "query", "values", "runs"),
    [
        ("within its bounds", {}, (0.1,), 0),
        ("just at the bound", {}, (0.2,), 0),
        ("beyond it only now", {}, (*(0.1,) * 60, 0.3), 0),
        ("within it once meanwhile", {}, (*(0.3,) * 30, 0.1, *(0.3,) * 30), 0),
        ("not known for the whole time", {}, (0.3,) * 60, 0),
        ("below the other bound", {"max": None, "min": 0.5}, (0.3,), 1),
        ("infinite", {}, (float("inf"),), 1),
    ],
)
def test_when_a_query_starts_a_run(sentence: str, query: dict[str, Any], values: tuple[float, ...], runs: int) -> None:
    world = read(begin(kpi(query=query)), *values)
    world.settle()
    assert len(world.made) == runs, sentence


@pytest.mark.parametrize(
    ("sentence", "reading", "lasting"),
    [
        (
            "Prometheus is silent",
            NotAnsweredQuestion(World().now, "Prometheus cannot be reached", lasting=False),
            False,
        ),
        ("Prometheus refuses", NotAnsweredQuestion(World().now, "answered 400: parse error", lasting=True), True),
        ("the series is gone", MetricReading(World().now, 0, ()), False),
        ("there are several series", MetricReading(World().now, 3, (0.3,) * 61), True),
    ],
)
def test_silence_and_errors_are_neither_causes_nor_health(sentence: str, reading: Reading, lasting: bool) -> None:
    world = begin(kpi())
    world.readings[QUESTION] = reading
    world.settle()
    assert world.made == [], sentence
    assert world.condition("Ready") == ("False", "QueryUnanswered")
    assert world.condition("Stalled" if lasting else "Reconciling") == ("True", "QueryUnanswered")
    world.ask_by_hand("one").settle()
    assert len(world.made) == 1, "it keeps nothing else from going on"


def test_without_a_prometheus_the_condition_says_how_to_name_one() -> None:
    world = World(policy=policy(kpi()))
    world.settle()
    assert world.condition("Stalled") == ("True", "PrometheusNotConfigured")
    assert "--prometheus-url" in world.message("Stalled")


def test_a_value_that_stays_beyond_its_bound_starts_another_run_only_after_as_long_again() -> None:
    world = read(begin(kpi(), **GATE), 0.3)
    world.settle()
    read(world.later(minutes=10), 0.3).settle()
    world.train(auc=0.1).settle()
    read(world.later(minutes=29), 0.3).settle()
    assert len(world.made) == 1
    read(world.later(minutes=2), 0.3).settle()
    assert len(world.made) == 2


def test_what_a_query_found_during_a_pause_comes_back_once() -> None:
    world = read(begin(kpi(), suspend=True), 0.3)
    world.settle()
    for _ in range(3):
        read(world.later(minutes=1), 0.3).settle()
    read(world.later(hours=3), 0.1).settle()
    world.edit(suspend=False).settle()
    assert reasons_of(world) == [["query:kpi:2026-11-20T13:00:00Z"]]
    world.train(auc=0.9).settle()
    read(world.later(hours=3), 0.1).settle()
    assert len(world.made) == 1


def test_an_outage_between_record_and_job_drops_no_run() -> None:
    world = read(begin(kpi()), 0.3)
    world.once()
    world.once()
    world.readings[QUESTION] = NotAnsweredQuestion(world.now, "silent", lasting=False)
    world.settle()
    assert len(world.made) == 1


def test_the_query_is_looked_at_again_although_nothing_happens() -> None:
    plan = begin(kpi()).settle()
    assert plan.wake is not None
    assert plan.wake - (World().now + timedelta(hours=1)) == timedelta(minutes=1)


def test_at_rest_nothing_is_written_though_the_value_moves() -> None:
    world = read(begin(kpi()), 0.1)
    world.settle()
    before, writes = world.status, world.writes
    read(world.later(minutes=1), 0.12).settle()
    assert (world.status, world.writes) == (before, writes)


@pytest.mark.parametrize(
    ("seconds", "step", "values"), [(60, 15, 5), (300, 15, 21), (1800, 30, 61), (604_800, 10_080, 61)]
)
def test_a_row_of_values_is_bounded_however_long_it_reaches(seconds: int, step: int, values: int) -> None:
    question = MetricQuestion(EXPRESSION, seconds)
    assert (question.step, question.values) == (step, values)


# ---- labels


ENOUGH = {"name": "enough", "labels": {"count": 5000}}


def counted(world: World, outcomes: int) -> World:
    """The collector has counted so many outcomes since the newest run began."""
    state = world.observe().state
    assert state is not None
    since = state.facts.latest_run.began if state.facts.latest_run else state.facts.created
    assert since is not None
    world.readings[LabelQuestion("churn", since, timedelta(days=14))] = LabelReading(world.now, outcomes)
    return world


def labelled(**spec: Any) -> World:
    world = World(policy=policy(ENOUGH, **spec), collector=True)
    assert world.deployment is not None
    world.deployment["spec"]["feedback"] = {"labelMaturity": "14d"}
    world.settle()
    return world.later(hours=1)


def test_so_many_mature_outcomes_start_a_run_and_the_count_begins_anew() -> None:
    world = counted(labelled(), 4999)
    world.settle()
    assert world.made == []
    counted(world.later(minutes=5), 5001).settle()
    assert reasons_of(world) == [["labels:enough:after-creation"]]
    assert world.reasons[0]["evidence"] == {"outcomes": 5001, "since": "2026-11-20T12:00:00Z"}
    first = world.later(minutes=5)
    first.train(auc=0.9).settle()
    counted(world.later(minutes=5), 4000).settle()
    assert len(world.made) == 1
    counted(world.later(days=9), 6000).settle()
    assert len(world.made) == 2
    assert [len(reasons) for reasons in reasons_of(world)] == [1, 1]


def test_outcomes_that_came_before_a_run_of_another_cause_do_not_count_for_the_next() -> None:
    world = counted(labelled(suspend=True), 6000)
    world.settle()
    world.ask_by_hand("one").settle()
    assert reasons_of(world) == [["manual:one", "labels:enough:after-creation"]]
    world.train(auc=0.9).settle()
    counted(world.edit(suspend=False).later(minutes=5), 10).settle()
    assert len(world.made) == 1


@pytest.mark.parametrize("collector", [True, False])
def test_outcomes_that_nobody_keeps_are_a_condition(collector: bool) -> None:
    world = World(policy=policy(ENOUGH), collector=collector)
    world.settle()
    assert world.condition("Stalled") == ("True", "NoFeedback")
    assert "needs feedback: {}" in world.message("Stalled")


def test_a_collector_that_does_not_answer_is_waited_for() -> None:
    world = labelled()
    since = world.observe().facts.created
    question = LabelQuestion("churn", since, timedelta(days=14))
    world.readings[question] = NotAnsweredQuestion(world.now, "the collector cannot be reached", lasting=False)
    world.settle()
    assert world.condition("Reconciling") == ("True", "CollectorUnavailable")
    assert world.made == []

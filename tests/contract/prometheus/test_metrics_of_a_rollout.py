"""Each kind of answer that a real Prometheus gives to a metric with a query, and the verdict on it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.prometheus.afternoon import END
from tests.support.snapshots import spec
from viridian.api.names import MODEL_DEPLOYMENT, Slot
from viridian.controller.analysis_answers import AnalysisAnswers
from viridian.controller.keys import Key
from viridian.judgement.canary import CanaryVerdict, Judgement
from viridian.ports.prometheus import HttpPrometheus
from viridian.rollout.analysis.judged import JudgedRevision, ServingChampion
from viridian.rollout.analysis.judging import judgements
from viridian.rollout.analysis.queried_values import PROMETHEUS
from viridian.rollout.analysis.source import Look
from viridian.rollout.answers import ValueQuestion
from viridian.rollout.traffic.exposure import Exposure

KEY = Key(MODEL_DEPLOYMENT, "ml", "churn")
PASS, BREACH = CanaryVerdict.PASS, CanaryVerdict.BREACH
NO_DATA, PROVIDER_ERROR = CanaryVerdict.NO_DATA, CanaryVerdict.PROVIDER_ERROR
SLOT = 'error_rate{slot="$slot"}'


async def judgement(port: HttpPrometheus, query: str, **metric: Any) -> Judgement:
    """What is found at the end of the afternoon about the green slot, which users have met for five minutes."""
    now = datetime.fromtimestamp(END, UTC)
    whole = spec(rollout={"analysis": {"window": "30s", "metrics": [{"name": "asked", "query": query, **metric}]}})
    judged = JudgedRevision(
        Slot.GREEN,
        (),
        Exposure(now - timedelta(minutes=5)),
        champion=ServingChampion((), revision="a"),
        revision="b",
        namespace="ml",
        name="churn",
    )
    look = Look(whole.rollout.analysis, judged, {}, now)
    asked = [one for one in PROMETHEUS.queries(look) if isinstance(one, ValueQuestion)]
    answers = AnalysisAnswers(port, None, lambda: now, lambda _: None)
    answers.known(KEY, asked)
    async with asyncio.timeout(60):
        while len(answers.known(KEY, asked, ask=False)) < len(asked):  # noqa: ASYNC110 - it happens in tasks of the code under test
            await asyncio.sleep(0.01)
    (found,) = judgements(PROMETHEUS, Look(whole.rollout.analysis, judged, {}, now, answers.known(KEY, asked)))
    return found


@pytest.mark.parametrize(
    ("sentence", "query", "metric", "verdict", "says"),
    [
        ("a value within its bound", SLOT, {"max": 0.4}, PASS, "asked 0.31 keeps its bounds"),
        ("a value beyond it", SLOT, {"max": 0.2}, BREACH, "asked 0.31 is above the maximum 0.2"),
        (
            "worse than the champion's",
            SLOT,
            {"worseThanChampionBy": {"relative": 1}, "direction": "Lower"},
            BREACH,
            "asked 0.31 is worse than the champion's 0.1 by more than 100 %",
        ),
        (
            "a long row",
            SLOT,
            {"max": 0.2, "consecutive": 30, "minSamples": 30},
            BREACH,
            "asked 0.31 is above the maximum 0.2",
        ),
        ("no result", "no_such_metric", {"max": 1}, NO_DATA, "asked: the query has no value now"),
        ("a series that has ended", "ended", {"max": 0.1}, NO_DATA, "asked: the query has no value now"),
        ("one that is stale", "max_over_time(quiet[$window])", {"max": 0.1}, NO_DATA, "the query has no value now"),
        ("a quotient of nothing", "0 * max(error_rate) / 0", {"max": 1}, NO_DATA, "is no finite number now"),
        ("an infinite value", "odd", {"max": 1}, NO_DATA, "is no finite number now"),
        ("many results", "error_rate", {"max": 1}, PROVIDER_ERROR, "has several values; aggregate to one"),
        ("half an expression", "max(error_rate", {"max": 1}, PROVIDER_ERROR, "parse error"),
        (
            "a counter that began anew is no negative rate",
            "min_over_time(sum(rate(orders_total[1m]))[5m:15s])",
            {"min": 0},
            PASS,
            "keeps its bounds",
        ),
    ],
)
async def test_each_answer_has_its_verdict(
    port: HttpPrometheus, sentence: str, query: str, metric: dict[str, Any], verdict: CanaryVerdict, says: str
) -> None:
    found = await judgement(port, query, **metric)
    assert says in found.message, sentence
    assert found.verdict is verdict


async def test_a_server_that_does_not_know_how_long_a_sample_stands_answers_all_the_same(port: HttpPrometheus) -> None:
    """Prometheus knows `lookback_delta` since 2.43; Debian's, which the tests use, may be older."""
    assert await port.row("ml", SLOT.replace("$slot", "blue"), END, END, 5, stale_after=60) != ()

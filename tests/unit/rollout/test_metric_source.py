"""What every metric source promises. A new one gets a `Recorded` of its own in `SOURCES`, and is held to all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from tests.support.snapshots import NOW, answers, slot, spec, unreadable
from tests.unit.rollout.cases import FIRST_STEP, GREEN, met, on_trial, trial_world
from viridian.api.modeldeployment import Metric
from viridian.judgement.beside_champion import BesideChampion
from viridian.judgement.canary import CanaryVerdict
from viridian.rollout.analysis.judged import JudgedRevision, subject
from viridian.rollout.analysis.judging import judgements
from viridian.rollout.analysis.pods import PODS
from viridian.rollout.analysis.source import Evidence, Look, MetricSource, Missing, Query, Results, Sampled

CHALLENGER = slot(GREEN, "2", 1)


@dataclass(frozen=True)
class Recorded:
    """A source, and results that it was given in four situations."""

    source: MetricSource
    healthy: Results
    bad: Results
    unreadable: Results
    nothing: Results


class Values:
    """A source that computes values itself, as a query language does: the second way to be judged."""

    def __init__(self, values: Mapping[int, float]) -> None:
        self._values = values

    def queries(self, subject: JudgedRevision) -> Sequence[Query]:
        return subject.pods[:1]

    def evidence(self, metric: Metric, look: Look) -> Evidence:
        results = look.results.get("values", ())
        if results and not hasattr(results[-1], "requests"):
            return Missing("the query was refused")
        value = self._values.get(len(results))
        return Sampled((value,) * metric.consecutive if value is not None else (), samples=100 if results else 0)

    def beside_champion(self, metric: Metric, look: Look) -> BesideChampion | None:
        return None

    def breach_began(self, metric: Metric, look: Look) -> datetime | None:
        return look.now - look.interval


def counted(errors: float) -> Results:
    return answers(CHALLENGER, 500, errors)


SAMPLE = next(iter(counted(0).values()))[0]
FAILURE = next(iter(unreadable(CHALLENGER).values()))[-1]
SOURCES = [
    pytest.param(Recorded(PODS, counted(0), counted(150), unreadable(CHALLENGER), {}), id="Pods"),
    pytest.param(
        Recorded(
            Values({1: 0.001, 2: 0.3}),
            {"values": [SAMPLE]},
            {"values": [SAMPLE, SAMPLE]},
            {"values": [FAILURE]},
            {},
        ),
        id="values",
    ),
]


def look(results: Results) -> Look:
    whole = spec(rollout={"analysis": {"metrics": [{"name": "error-rate", "max": 0.05}]}})
    traffic = on_trial(FIRST_STEP)
    judged = subject(trial_world(FIRST_STEP, challenger=CHALLENGER, whole=whole), traffic, NOW)
    assert judged is not None
    return Look(whole.rollout.analysis, judged, results, NOW)


def verdicts(source: MetricSource, results: Results) -> list[CanaryVerdict]:
    return [judgement.verdict for judgement in judgements(source, look(results))]


@pytest.mark.parametrize("recorded", SOURCES)
class TestEverySource:
    def test_health_is_told_from_failure(self, recorded: Recorded) -> None:
        assert verdicts(recorded.source, recorded.healthy) == [CanaryVerdict.PASS]
        assert verdicts(recorded.source, recorded.bad) == [CanaryVerdict.BREACH]

    def test_a_source_that_cannot_be_read_is_neither(self, recorded: Recorded) -> None:
        assert verdicts(recorded.source, recorded.unreadable) == [CanaryVerdict.PROVIDER_ERROR]

    def test_without_results_there_is_no_evidence(self, recorded: Recorded) -> None:
        assert verdicts(recorded.source, recorded.nothing) == [CanaryVerdict.NO_DATA]

    def test_a_judgement_names_metric_value_and_bound(self, recorded: Recorded) -> None:
        (judgement,) = judgements(recorded.source, look(recorded.bad))
        assert judgement.message.startswith("error-rate 30 % over ")
        assert judgement.message.endswith("is above the maximum 5 %")
        assert judgement.value == pytest.approx(0.3)

    def test_a_breach_began_within_the_window(self, recorded: Recorded) -> None:
        seen = look(recorded.bad)
        began = recorded.source.breach_began(seen.analysis.metrics[0], seen)
        assert began is not None
        assert seen.now - seen.window <= began <= seen.now

    def test_the_same_subject_has_the_same_queries(self, recorded: Recorded) -> None:
        first, later = look(recorded.healthy).subject, look(recorded.bad).subject
        assert list(recorded.source.queries(first)) == list(recorded.source.queries(later))


class TestWhoIsJudged:
    """The observer reads and the checks judge by the same answer."""

    def test_a_challenger_whom_users_meet(self) -> None:
        judged = subject(trial_world(FIRST_STEP), on_trial(FIRST_STEP), NOW)
        assert judged is not None
        assert (judged.slot, judged.met, judged.exposure) == (GREEN, True, met(11))

    def test_nobody_once_the_probation_is_over(self) -> None:
        world = trial_world(FIRST_STEP)
        traffic = on_trial(FIRST_STEP)
        steady = type(traffic)(traffic.champion, traffic.revision, NOW - timedelta(days=1), former="a")
        assert subject(world, steady, NOW) is None

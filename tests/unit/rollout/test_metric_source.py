"""What every metric source promises. A new one gets a `Recorded` of its own in `SOURCES`, and is held to all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.snapshots import NOW, answers, slot, spec, unreadable
from tests.unit.rollout.cases import FIRST_STEP, GREEN, met, on_trial, trial_world
from tests.unit.rollout.queries import CONVERSION, TRIAL, answered, known, no_answer
from viridian.judgement.canary import CanaryVerdict
from viridian.rollout.analysis.judged import subject
from viridian.rollout.analysis.judging import judgements
from viridian.rollout.analysis.pods import PODS
from viridian.rollout.analysis.queried_values import PROMETHEUS
from viridian.rollout.analysis.source import Look, MetricSource, Results
from viridian.rollout.answers import Answers

CHALLENGER = slot(GREEN, "2", 1)


@dataclass(frozen=True)
class Known:
    """What a source was given in one situation."""

    results: Results = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """A source, its metric, what it was given in four situations, and the sentence and value of its breach."""

    source: MetricSource
    metric: Mapping[str, Any]
    healthy: Known
    bad: Known
    unreadable: Known
    says: tuple[str, str]
    value: float
    nothing: Known = Known()


def counted(errors: float) -> Known:
    return Known(results=answers(CHALLENGER, 500, errors))


SOURCES = [
    pytest.param(
        Recorded(
            PODS,
            {"name": "error-rate", "max": 0.05},
            counted(0),
            counted(150),
            Known(results=unreadable(CHALLENGER)),
            ("error-rate 30 % over ", "is above the maximum 5 %"),
            0.3,
        ),
        id="Pods",
    ),
    pytest.param(
        Recorded(
            PROMETHEUS,
            CONVERSION,
            Known(answers=known(answered(0.06))),
            Known(answers=known(answered(0.03))),
            Known(answers=known(no_answer())),
            ("conversion 0.03 ", "is below the minimum 0.05"),
            0.03,
        ),
        id="Prometheus",
    ),
]


def look(recorded: Recorded, given: Known) -> Look:
    whole = spec(rollout={"analysis": {"metrics": [recorded.metric]}})
    trial = replace(TRIAL, exposure=FIRST_STEP.exposure) if recorded.source is PODS else TRIAL
    judged = subject(trial_world(trial, challenger=CHALLENGER, whole=whole), on_trial(trial), NOW)
    assert judged is not None
    return Look(whole.rollout.analysis, judged, given.results, NOW, given.answers)


def verdicts(recorded: Recorded, given: Known) -> list[CanaryVerdict]:
    return [judgement.verdict for judgement in judgements(recorded.source, look(recorded, given))]


@pytest.mark.parametrize("recorded", SOURCES)
class TestEverySource:
    def test_health_is_told_from_failure(self, recorded: Recorded) -> None:
        assert verdicts(recorded, recorded.healthy) == [CanaryVerdict.PASS]
        assert verdicts(recorded, recorded.bad) == [CanaryVerdict.BREACH]

    def test_a_source_that_cannot_be_read_is_neither(self, recorded: Recorded) -> None:
        assert verdicts(recorded, recorded.unreadable) == [CanaryVerdict.PROVIDER_ERROR]

    def test_without_results_there_is_no_evidence(self, recorded: Recorded) -> None:
        assert verdicts(recorded, recorded.nothing) == [CanaryVerdict.NO_DATA]

    def test_a_judgement_names_metric_value_and_bound(self, recorded: Recorded) -> None:
        (judgement,) = judgements(recorded.source, look(recorded, recorded.bad))
        assert judgement.message.startswith(recorded.says[0])
        assert judgement.message.endswith(recorded.says[1])
        assert judgement.value == pytest.approx(recorded.value)

    def test_a_breach_began_within_the_window(self, recorded: Recorded) -> None:
        seen = look(recorded, recorded.bad)
        began = recorded.source.breach_began(seen.analysis.metrics[0], seen)
        assert began is not None
        assert seen.now - seen.window <= began <= seen.now

    def test_the_same_subject_has_the_same_queries(self, recorded: Recorded) -> None:
        first, later = look(recorded, recorded.healthy), look(recorded, recorded.bad)
        assert list(recorded.source.queries(first))
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

"""The metrics that the collector knows: what is asked, and the verdict on each kind of answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest

from tests.support.sketches import categories, numbers
from tests.support.snapshots import NOW, spec
from tests.support.watched import outcomes
from tests.unit.rollout.cases import FIRST_STEP, V1, V2, move_of, said_of, trial_world
from tests.unit.rollout.queries import TRIAL
from viridian.api import reasons
from viridian.api.performance import Performance
from viridian.judgement.canary import CanaryVerdict, Judgement
from viridian.rollout.analysis.selection import queries, questions, streamed
from viridian.rollout.answers import Answer, AnsweredRows, CollectedQuestion, Unanswered
from viridian.rollout.input import RolloutInput
from viridian.rollout.state import read

PASS, BREACH = CanaryVerdict.PASS, CanaryVerdict.BREACH
NO_DATA, PROVIDER_ERROR = CanaryVerdict.NO_DATA, CanaryVerdict.PROVIDER_ERROR
ACCURACY: Final[dict[str, Any]] = {"name": "right", "performance": "accuracy", "min": 0.8}
BESIDE: Final[dict[str, Any]] = {
    "name": "right",
    "performance": "accuracy",
    "worseThanChampionBy": {"absolute": 0.02},
}
SHIFT: Final[dict[str, Any]] = {"name": "prediction-shift", "max": 0.2}
FEEDBACK: Final[dict[str, Any]] = {"labelMaturity": "30s", "labelDefinition": "churned-30d"}
SINCE = NOW - timedelta(seconds=60)


def world(metric: dict[str, Any], *answers: Answer | None, **more: Any) -> RolloutInput:
    """A trial of a minute; the answers are about the challenger, and about the champion beside it."""
    whole = spec(rollout={"analysis": {"metrics": [metric]}})
    shown = trial_world(TRIAL, whole=whole, **more)
    asked = questions(shown, NOW)
    given = {one: answer for one, answer in zip(asked, answers, strict=False) if answer is not None}
    return replace(shown, answers=given)


def judgement(shown: RolloutInput) -> Judgement:
    assert shown.spec is not None
    return read(shown, shown.spec, NOW).judgements[0]


def rows(labels: int, accuracy: float = 0.9, age: float = 0.0) -> AnsweredRows:
    known = outcomes(labels, accuracy) if labels else Performance(predicted=0, labelled=0)
    return AnsweredRows(NOW - timedelta(seconds=age), known)


def scores(mean: float, count: int = 2000, edges: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)) -> AnsweredRows:
    random = Random(5)
    values = [min(1.0, max(0.0, random.gauss(mean, 0.1))) for _ in range(count)]
    return AnsweredRows(NOW, Performance(predicted=0, labelled=0), numbers(values, edges))


def test_only_mature_rows_of_this_trial_are_asked_about() -> None:
    whole = spec(rollout={"analysis": {"metrics": [BESIDE]}}, feedback=FEEDBACK)
    ours = CollectedQuestion(V2, SINCE, timedelta(seconds=30), "churned-30d")
    asked = questions(replace(world(BESIDE), spec=whole), NOW)
    assert asked == [ours, replace(ours, revision=V1)]
    assert len(questions(world(ACCURACY), NOW)) == 1


def test_predictions_are_compared_without_waiting_for_outcomes() -> None:
    ours = CollectedQuestion(V2, SINCE, timedelta(), profile=True)
    assert questions(world(SHIFT), NOW) == [ours, replace(ours, revision=V1)]


def test_nothing_is_asked_before_users_meet_the_challenger() -> None:
    whole = spec(rollout={"analysis": {"metrics": [ACCURACY]}}, feedback=FEEDBACK)
    assert questions(trial_world(replace(FIRST_STEP, weight=0, exposure=None), whole=whole), NOW) == []


def test_pods_are_read_all_the_same_but_send_nothing_by_themselves() -> None:
    assert queries(world(ACCURACY), NOW)
    assert streamed(world(ACCURACY), NOW).targets == ()


@pytest.mark.parametrize(
    ("sentence", "metric", "answers", "verdict", "says"),
    [
        ("good outcomes", ACCURACY, [rows(1000)], PASS, "right 0.9 over 1000 rows is not proved to break its bounds"),
        ("bad outcomes", ACCURACY, [rows(1000, 0.6)], BREACH, "right 0.6 over 1000 rows is below the minimum 0.8"),
        ("no mature outcome", ACCURACY, [rows(0)], NO_DATA, "right: 0 of the 100 rows with an outcome"),
        ("not asked yet", ACCURACY, [None], NO_DATA, "right: the collector has not answered yet"),
        ("no answer", ACCURACY, [Unanswered(NOW, "it is down")], PROVIDER_ERROR, "right: it is down"),
        ("an old answer", ACCURACY, [rows(1000, age=46)], PROVIDER_ERROR, "has not answered for a while"),
        ("one that is just young enough", ACCURACY, [rows(1000, age=45)], PASS, "is not proved to break"),
        (
            "worse than the champion's",
            BESIDE,
            [rows(1000, 0.7), rows(1000)],
            BREACH,
            "right 0.7 over 1000 rows is worse than the champion's 0.9 by more than the margin",
        ),
        (
            "the champion cannot be read",
            BESIDE,
            [rows(1000), Unanswered(NOW, "it is down")],
            PROVIDER_ERROR,
            "right: it is down",
        ),
        ("alike", SHIFT, [scores(0.5), scores(0.5)], PASS, "is not proved to be above 0.2"),
        ("far apart", SHIFT, [scores(0.5), scores(0.9)], BREACH, "is above the maximum 0.2"),
        (
            "far apart on other bins",
            SHIFT,
            [scores(0.3, edges=(0.1, 0.5, 0.7)), scores(0.9)],
            BREACH,
            "is above the maximum 0.2",
        ),
        ("no profile yet", SHIFT, [scores(0.5), rows(0)], NO_DATA, "are not known yet"),
        ("few predictions", SHIFT, [scores(0.5, 4), scores(0.5)], NO_DATA, "4 of the 5 predictions that are needed"),
        (
            "values of another kind",
            SHIFT,
            [AnsweredRows(NOW, rows(0).performance, categories(["a"] * 50, ["a", "b"])), scores(0.5)],
            PROVIDER_ERROR,
            "predict different kinds of values",
        ),
    ],
)
def test_each_answer_has_its_verdict(
    sentence: str, metric: dict[str, Any], answers: list[Answer | None], verdict: CanaryVerdict, says: str
) -> None:
    found = judgement(world(metric, *answers))
    assert says in found.message, sentence
    assert found.verdict is verdict


def test_a_breach_takes_the_traffic_away() -> None:
    move = move_of(world(ACCURACY, rows(1000, 0.6)))
    assert move.reason == reasons.METRIC_BREACH


def test_a_step_waits_for_evidence_beside_the_champion() -> None:
    shown = world(BESIDE, rows(200), rows(200))
    assert "right is not worse than the champion's by more than 0.02" in said_of(shown, move_of(shown))


def test_late_labels_hold_unless_they_are_a_guard_rail() -> None:
    held, going = world(ACCURACY, rows(0)), world({**ACCURACY, "guardRail": True}, rows(0))
    assert "0 of the 100 rows with an outcome" in said_of(held, move_of(held))
    assert move_of(going).reason == reasons.ROLLING_OUT
    assert "0 of the 100 rows" not in said_of(going, move_of(going))

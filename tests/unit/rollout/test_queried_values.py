"""The metrics with a query: what is asked, and the verdict on each kind of answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from tests.support.snapshots import NOW, spec
from tests.unit.rollout.cases import FIRST_STEP, V1, V2, move_of, probation_world, said_of, trial_world
from tests.unit.rollout.queries import CONVERSION, QUERY, TRIAL, answered, known, no_answer, value_questions
from viridian.api import reasons
from viridian.core.conditions import Finding, Truth
from viridian.judgement.canary import CanaryVerdict, Judgement
from viridian.rollout.answers import Answers, ValueQuestion
from viridian.rollout.conditions import conditions
from viridian.rollout.input import RolloutInput
from viridian.rollout.state import RolloutState, read

PASS, BREACH = CanaryVerdict.PASS, CanaryVerdict.BREACH
NO_DATA, PROVIDER_ERROR = CanaryVerdict.NO_DATA, CanaryVerdict.PROVIDER_ERROR


def world(answers: Answers, *, pods: Any = (), analysis: Any = None, **metric: Any) -> RolloutInput:
    """A trial of a minute whose answers are healthy, with a metric that has these settings."""
    metrics = [{**CONVERSION, **metric}, *pods]
    whole = spec(rollout={"analysis": {"metrics": metrics, **(analysis or {})}})
    return trial_world(TRIAL, whole=whole, answers=answers)


def state_of(shown: RolloutInput) -> RolloutState:
    assert shown.spec is not None
    return read(shown, shown.spec, NOW)


def judgement(shown: RolloutInput) -> Judgement:
    return state_of(shown).judgements[0]


def health(shown: RolloutInput) -> Finding:
    found = conditions(state_of(shown), move_of(shown))
    return next(finding for finding in found if finding.type == reasons.CHALLENGER_HEALTHY)


class TestWhatIsAsked:
    def test_the_same_about_challenger_and_champion(self) -> None:
        asked = value_questions(world({}), NOW)
        assert [one.expression for one in asked] == [
            f'sum(rate(orders{{slot="green",revision="{V2}"}}[20s]))',
            f'sum(rate(orders{{slot="blue",revision="{V1}"}}[20s]))',
        ]
        assert {(one.step, one.values, one.stale_after) for one in asked} == {(5, 5, 60)}

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ('x{ns="$namespace",md="$name",a="$slot"}', 'x{ns="default",md="churn",a="green"}'),
            ('x{a="$slot"} or y{a=~"$slots"}', 'x{a="green"} or y{a=~"$slots"}'),
            ('label_replace(x, "a", "$1", "b", "(.*)$") + x{a="$slot"}', None),
        ],
    )
    def test_nothing_else_is_replaced(self, query: str, expected: str | None) -> None:
        found = value_questions(world({}, query=query), NOW)[0].expression
        assert found == (expected or query.replace("$slot", "green"))

    def test_what_does_not_depend_on_the_slot_is_asked_once(self) -> None:
        assert [one.expression for one in value_questions(world({}, query="sum(orders)"), NOW)] == ["sum(orders)"]

    def test_two_metrics_with_one_query_share_its_answer(self) -> None:
        other = {"name": "orders", "query": QUERY, "max": 100}
        assert len(value_questions(world({}, pods=[other]), NOW)) == 2

    def test_as_many_values_as_the_judge_needs(self) -> None:
        shown = world({}, analysis={"interval": "30s", "window": "2m"}, consecutive=7, minSamples=2)
        assert {(one.step, one.values, one.stale_after) for one in value_questions(shown, NOW)} == {(30, 7, 240)}

    def test_in_a_probation_about_the_new_champion_alone(self) -> None:
        shown = probation_world(of=spec(rollout={"analysis": {"metrics": [CONVERSION]}}))
        assert [one.expression for one in value_questions(shown, NOW)] == [
            f'sum(rate(orders{{slot="green",revision="{V2}"}}[20s]))'
        ]

    def test_nothing_while_nobody_is_judged_or_no_metric_has_a_query(self) -> None:
        steady = replace(world({}), live=None)
        assert value_questions(steady, NOW) == []
        assert value_questions(trial_world(FIRST_STEP), NOW) == []


@pytest.mark.parametrize(
    ("sentence", "answer", "verdict", "says"),
    [
        ("good values", answered(0.06), PASS, "conversion 0.06 keeps its bounds"),
        ("bad values", answered(0.03), BREACH, "conversion 0.03 is below the minimum 0.05"),
        ("not asked yet", None, NO_DATA, "conversion: the query has not been answered yet"),
        ("no result", answered(series=0), NO_DATA, "conversion: the query has no value now"),
        ("not a number", answered(None, 0.06, not_a_number=True), NO_DATA, "is no finite number now"),
        ("many results", answered(series=3), PROVIDER_ERROR, "has several values; aggregate to one, such as sum("),
        ("no answer", no_answer(), PROVIDER_ERROR, "conversion: Prometheus at http://prometheus:9090 answered 503"),
        ("an old answer", answered(0.06, age=31), PROVIDER_ERROR, "has not been answered for a while"),
        ("one that is just young enough", answered(0.06, age=30), PASS, "keeps its bounds"),
        ("a gap after two values", answered(0.06, 0.06, None), NO_DATA, "2 of the 5 values that are needed"),
        ("a gap before", answered(0.06, 0.06, None, 0.06, 0.06), NO_DATA, "4 of the 5 values that are needed"),
    ],
)
def test_each_answer_has_its_verdict(sentence: str, answer: Any, verdict: CanaryVerdict, says: str) -> None:
    found = judgement(world(known(answer)))
    assert found.verdict is verdict, sentence
    assert says in found.message


def test_values_from_before_users_met_the_challenger_are_no_evidence() -> None:
    shown = world(known(answered(0.03)))
    assert judgement(shown).verdict is BREACH
    whole = spec(rollout={"analysis": {"metrics": [CONVERSION]}})
    young = trial_world(FIRST_STEP, whole=whole, answers=shown.answers)
    assert judgement(young).message == "conversion: 3 of the 5 values that are needed"


class TestBesideTheChampion:
    MARGIN: ClassVar[dict[str, Any]] = {"worseThanChampionBy": {"relative": 0.2}, "min": None, "direction": "Higher"}

    def test_a_worse_value_is_a_breach(self) -> None:
        shown = world(known(answered(0.06), answered(0.1), **self.MARGIN), **self.MARGIN)
        found = judgement(shown)
        assert found.message == "conversion 0.06 is worse than the champion's 0.1 by more than 20 %"
        assert (found.verdict, found.champion) == (BREACH, 0.1)
        assert move_of(shown).reason == reasons.METRIC_BREACH

    @pytest.mark.parametrize("champion", [None, answered(series=0), no_answer(), answered(None, 0.1)])
    def test_without_a_value_of_the_champion_the_challenger_is_held(self, champion: Any) -> None:
        shown = world(known(answered(0.06), champion, **self.MARGIN), **self.MARGIN)
        assert judgement(shown).verdict is NO_DATA
        assert "no value for the champion" in said_of(shown, move_of(shown))

    def test_a_breach_of_both_holds(self) -> None:
        shown = world(known(answered(0.03), answered(0.02)))
        assert move_of(shown).reason == reasons.CHAMPION_BREACHES_TOO


class TestWhatFollows:
    def test_a_breach_takes_the_traffic_away_and_tells_since_when(self) -> None:
        move = move_of(world(known(answered(0.03, 0.03, 0.06))))
        assert move.traffic is not None
        assert move.traffic.trial is None
        assert move.traffic.reverted is not None
        assert move.traffic.reverted.breach_at == NOW - timedelta(seconds=5)

    @pytest.mark.parametrize(
        ("answer", "reason", "says"),
        [
            (answered(series=0), reasons.NO_DATA, "too few samples of conversion: the query has no value now"),
            (
                no_answer(),
                reasons.PROVIDER_ERROR,
                "conversion cannot be read: Prometheus at http://prometheus:9090 answered 503",
            ),
        ],
    )
    def test_silence_holds_and_the_condition_says_why(self, answer: Any, reason: str, says: str) -> None:
        shown = world(known(answer))
        move = move_of(shown)
        assert move.traffic is not None
        assert move.traffic.trial is not None
        assert (move.traffic.trial.weight, move.traffic.trial.blind_since) == (25, NOW)
        found = health(shown)
        assert (found.status, found.reason, found.message) == (Truth.UNKNOWN, reason, says)

    def test_a_breach_of_the_pods_does_not_wait_for_the_query(self) -> None:
        pods = [{"name": "error-rate", "max": 0.05}]
        for answer in (None, no_answer(), answered(series=0)):
            shown = world(known(answer), pods=pods)
            assert shown.spec is not None
            bad = trial_world(TRIAL, whole=shown.spec, errors=200, answers=shown.answers)
            assert move_of(bad).reason == reasons.METRIC_BREACH

    @pytest.mark.parametrize("answer", [None, no_answer(), answered(series=0)])
    def test_a_guard_rail_that_is_silent_holds_nothing(self, answer: Any) -> None:
        shown = world(known(answer), guardRail=True)
        assert move_of(shown).reason == reasons.ROLLING_OUT
        assert health(shown).status is Truth.TRUE

    def test_another_metric_that_is_silent_holds_beside_a_guard_rail(self) -> None:
        pods = [{"name": "orders", "query": "sum(orders)", "min": 1}]
        shown = world(known(no_answer()), pods=pods, guardRail=True)
        assert "orders: the query has not been answered yet" in said_of(shown, move_of(shown))


def test_a_guard_rail_that_is_breached_takes_the_traffic_away() -> None:
    assert move_of(world(known(answered(0.03)), guardRail=True)).reason == reasons.METRIC_BREACH


def test_the_chance_of_a_false_verdict_is_shared_out_by_weights() -> None:
    """The values of a query take no share: chance is not what they are judged by."""
    pods = [{"name": "error-rate", "max": 0.05, "weight": 3}, {"name": "latency-p95", "max": 5}]

    def evidence_needed(*metrics: Any) -> list[str]:
        whole = spec(rollout={"analysis": {"metrics": list(metrics)}})
        shown = trial_world(FIRST_STEP, whole=whole, requests=60, errors=5)
        return [one.message.partition("of ")[2].rstrip(")") for one in state_of(shown).judgements]

    assert evidence_needed(*pods)[0] == evidence_needed(*pods, CONVERSION)[0] == f"{400 / 3:g}"
    assert evidence_needed({"name": "error-rate", "max": 0.05})[0] == "100"


def test_a_question_is_the_same_in_each_pass() -> None:
    asked = [value_questions(world({}), NOW + timedelta(seconds=seconds)) for seconds in (0, 1, 59)]
    assert asked[0] == asked[1] == asked[2]
    assert isinstance(asked[0][0], ValueQuestion)

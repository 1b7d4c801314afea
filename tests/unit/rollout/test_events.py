"""Events: what a move does is told by the write that does it, what a condition says is told when it is new."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.snapshots import (
    NO_ALIAS,
    NOW,
    SILENT,
    ago_time,
    record,
    slot,
    snapshot,
    spec,
    unreadable,
)
from tests.unit.rollout.cases import (
    BLUE,
    FIRST_STEP,
    GREEN,
    KNOWN,
    ONE_STEADY,
    TWO_WARM,
    trial_world,
    with_metrics,
)
from tests.unit.rollout.plans import condition, told
from viridian.api import reasons
from viridian.core.plan import Apply, EventType, Plan
from viridian.rollout.decide import decide
from viridian.rollout.events import events_of_status
from viridian.rollout.input import RolloutInput, Unresolved
from viridian.rollout.traffic.record import Trial

NO_MODEL = Unresolved(reasons.MODEL_NOT_FOUND, "no registered model 'churn'", lasting=True)


def types(plan: Plan) -> set[str]:
    assert plan.status is not None
    return {found["type"] for found in plan.status["conditions"]}


def told_by_writes(plan: Plan) -> dict[str, list[str]]:
    applies = [action for action in plan.actions if isinstance(action, Apply) and action.tells]
    return {told(action): [event.reason for event in action.tells] for action in applies}


def told_by_conditions(shown: RolloutInput, plan: Plan | None = None) -> list[tuple[str, str]]:
    """Reasons and messages; checks that the same status says nothing the second time."""
    plan = plan or decide(shown, NOW)
    assert plan.status is not None
    assert events_of_status(plan.status, plan.status) == ()
    return [(event.reason, event.message) for event in plan.news]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        pytest.param(snapshot(), {"apply Deployment churn-blue": ["RolloutStarted"]}, id="first deployment"),
        pytest.param(
            snapshot(slots=[slot(BLUE, "1")], known=[record("1")]),
            {"apply Service churn": ["Promoted"]},
            id="first champion",
        ),
        pytest.param(
            snapshot(wanted="2", known=KNOWN, traffic=ONE_STEADY, slots=[slot(BLUE, "1")]),
            {"apply Deployment churn-green": ["RolloutStarted"]},
            id="a challenger is deployed",
        ),
        pytest.param(
            snapshot(wanted="2", known=KNOWN, traffic=ONE_STEADY, slots=[slot(BLUE, "1"), slot(GREEN, "2", 1)]),
            {"apply Service churn": ["StepAdvanced"]},
            id="a step begins",
        ),
        pytest.param(trial_world(FIRST_STEP, errors=150), {"apply Service churn": ["RolledBack"]}, id="a breach"),
        pytest.param(snapshot(**TWO_WARM), {}, id="rest"),
    ],
)
def test_the_write_that_does_it_tells_of_it(shown: RolloutInput, expected: dict[str, list[str]]) -> None:
    assert told_by_writes(decide(shown, NOW)) == expected


def test_who_has_to_approve_hears_so_once() -> None:
    whole = spec(rollout={"steps": [{"approval": {"message": "look at the dashboard"}}]})
    shown = trial_world(Trial(FIRST_STEP.revision, entered=ago_time(9), since=ago_time(8)), readings={}, whole=whole)
    (said,) = told_by_conditions(shown)
    assert said[0] == reasons.EVENT_AWAITING_APPROVAL
    assert "viridian.dev/approve=" in said[1]
    assert "look at the dashboard" in said[1]


class TestHeld:
    def test_a_breach_that_only_holds(self) -> None:
        shown = trial_world(FIRST_STEP, errors=150, whole=with_metrics(onBreach="Hold"))
        (said,) = told_by_conditions(shown)
        assert said[0] == reasons.EVENT_BREACHED
        assert said[1].endswith("is being rolled out, held: beyond the bound: error-rate")
        assert condition(decide(shown, NOW), "Ready") == ("True", reasons.BREACHED)

    @pytest.mark.parametrize(("seconds", "told"), [(59, False), (61, True)])
    @pytest.mark.parametrize("blindness", ["too few samples", "unreadable"])
    def test_blindness_is_told_once_a_whole_window_was_blind(self, blindness: str, seconds: int, told: bool) -> None:
        readings = unreadable(slot(GREEN, "2", 1)) if blindness == "unreadable" else {}
        shown = trial_world(
            replace(FIRST_STEP, blind_since=ago_time(seconds)), readings=readings, whole=with_metrics(window="1m")
        )
        said = told_by_conditions(shown)
        assert [reason for reason, _ in said] == [reasons.EVENT_HELD] * told
        reason = reasons.PROVIDER_ERROR if blindness == "unreadable" else reasons.NO_DATA
        assert condition(decide(shown, NOW), "Ready") == ("True", reason if told else reasons.ROLLING_OUT)


class TestStalled:
    def test_a_model_that_is_not_there_is_told_of_once_and_not_twice(self) -> None:
        assert [reason for reason, _ in told_by_conditions(snapshot(wanted=NO_ALIAS))] == ["ModelUnresolved"]

    @pytest.mark.parametrize("awaited", [NO_ALIAS, SILENT], ids=["not made yet", "not up yet"])
    def test_before_the_first_version_that_is_no_failure(self, awaited: Unresolved) -> None:
        plan = decide(snapshot(wanted=awaited), NOW)
        assert condition(plan, "Ready") == ("False", reasons.FIRST_DEPLOYMENT)
        assert condition(plan, "Reconciling") == ("True", awaited.reason)
        assert "Stalled" not in types(plan)
        assert [event.type for event in plan.news] == [EventType.NORMAL]

    def test_another_model_that_is_not_made_yet_is_waited_for_beside_the_champion(self) -> None:
        other = spec(model={"registry": {"name": "churn-2", "alias": "candidate"}})
        plan = decide(snapshot(of=other, **{**TWO_WARM, "wanted": NO_ALIAS}), NOW)
        assert condition(plan, "Ready") == ("True", reasons.SERVING)
        assert condition(plan, "Reconciling") == ("True", reasons.ALIAS_NOT_FOUND)
        assert "Stalled" not in types(plan)

    @pytest.mark.parametrize("gone", [NO_ALIAS, NO_MODEL], ids=["its alias", "the model"])
    def test_what_was_deployed_before_and_is_gone_is_a_failure(self, gone: Unresolved) -> None:
        plan = decide(snapshot(**{**TWO_WARM, "wanted": gone}), NOW)
        assert condition(plan, "Stalled") == ("True", gone.reason)
        assert [(event.type, event.reason) for event in plan.news] == [(EventType.WARNING, "ModelUnresolved")]

    def test_a_registry_that_refuses_is_a_failure_on_the_first_day_too(self) -> None:
        refusing = Unresolved(reasons.REGISTRY_REFUSED, "MLflow answered 403: invalid host header", lasting=True)
        plan = decide(snapshot(wanted=refusing), NOW)
        assert condition(plan, "Stalled") == ("True", reasons.REGISTRY_REFUSED)
        assert [event.type for event in plan.news] == [EventType.WARNING]

    def test_a_silent_registry(self) -> None:
        (said,) = told_by_conditions(snapshot(**{**TWO_WARM, "wanted": SILENT}))
        assert said == ("ModelUnresolved", "RegistryUnavailable: the registry does not answer")

    def test_a_spec_that_cannot_be_read(self) -> None:
        shown = replace(snapshot(**TWO_WARM), spec=None, invalid="spec.model: write a registry or a uri")
        assert told_by_conditions(shown) == [("Stalled", "InvalidSpec: spec.model: write a registry or a uri")]

    def test_a_name_that_is_taken(self) -> None:
        shown = replace(snapshot(), taken=frozenset({("Deployment", "churn-blue")}))
        ((reason, message),) = told_by_conditions(shown)
        assert reason == "Stalled"
        assert message.startswith("NameTaken: the Deployment churn-blue exists")


@pytest.mark.parametrize("stored", ["words", [None, "words", {}, {"type": 1, "status": [], "reason": {}}]])
def test_what_others_wrote_into_the_status_is_no_news(stored: Any) -> None:
    assert events_of_status({"conditions": stored}, {"conditions": stored}) == ()

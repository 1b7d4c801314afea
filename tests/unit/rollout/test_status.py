"""What a plan says: conditions, history, roles."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.snapshots import (
    NOW,
    SILENT,
    ago,
    ago_time,
    model,
    outcome,
    promoted,
    record,
    rejected,
    slot,
    snapshot,
    spec,
)
from tests.unit.rollout.cases import (
    BLUE,
    FIRST_STEP,
    GREEN,
    KNOWN,
    ONE_STEADY,
    TWO_WARM,
    V1,
    V2,
    probation_world,
    trial_world,
)
from tests.unit.rollout.plans import condition
from viridian.api import reasons
from viridian.core.obstacles import Obstacle
from viridian.core.plan import Apply
from viridian.rollout.decide import decide
from viridian.rollout.input import UNREAD, RolloutInput
from viridian.rollout.traffic.record import ChampionCause


class TestConditions:
    def test_while_nothing_serves_yet(self) -> None:
        plan = decide(snapshot(), NOW)
        assert condition(plan, "Ready") == ("False", reasons.FIRST_DEPLOYMENT)
        assert condition(plan, "Reconciling") == ("True", reasons.FIRST_DEPLOYMENT)
        assert condition(plan, "RollbackReady") == ("False", reasons.NO_FALLBACK)
        assert condition(plan, "ModelResolved") == ("True", reasons.RESOLVED)

    def test_another_model_under_the_number_of_the_one_that_serves_is_called_another(self) -> None:
        """A registry that has begun anew: an alias was set on its version 1."""
        anew = replace(model("1"), uri="mlflow-artifacts:/9", digest="sha256:9", run="r9")
        shown = replace(snapshot(known=KNOWN, traffic=ONE_STEADY, slots=[slot(BLUE, "1")]), model=anew)
        plan = decide(shown, NOW)
        told = next(c["message"] for c in (plan.status or {})["conditions"] if c["type"] == "ModelResolved")
        assert "version 1 of a registry that has begun anew: another model than the version 1 that serves" in told

    def test_at_rest(self) -> None:
        plan = decide(snapshot(**TWO_WARM), NOW)
        assert condition(plan, "Ready") == ("True", reasons.SERVING)
        assert condition(plan, "RollbackReady") == ("True", reasons.FALLBACK_READY)
        assert (condition(plan, "Reconciling"), condition(plan, "Stalled")) == (("", ""), ("", ""))

    def test_on_trial(self) -> None:
        plan = decide(trial_world(replace(FIRST_STEP, since=ago_time(4))), NOW)
        assert condition(plan, "Ready") == ("True", reasons.ROLLING_OUT)
        assert condition(plan, "ChallengerHealthy") == ("True", reasons.HEALTHY)
        assert condition(plan, "RollbackReady") == ("True", reasons.CHAMPION_IS_FALLBACK)
        assert plan.status is not None
        assert plan.status["challenger"]["weight"] == 25

    def test_a_version_that_waits_for_the_end_of_probation(self) -> None:
        plan = decide(probation_world(wanted="3"), NOW)
        assert condition(plan, "Ready") == ("True", reasons.PROBATION)
        assert condition(plan, "Reconciling") == ("True", reasons.PROBATION)
        assert condition(plan, "RollbackReady") == ("True", reasons.FALLBACK_READY)
        assert plan.status is not None
        said = {c["type"]: c["message"] for c in plan.status["conditions"]}
        assert "waiting for the end of the probation of version 2" in said["Ready"]
        assert "before version 3" in said["Reconciling"]
        assert all(action.manifest["kind"] != "Deployment" for action in plan.actions if isinstance(action, Apply))

    def test_after_a_revert_of_a_pinned_version(self) -> None:
        pinned = spec(model={"registry": {"name": "churn", "version": "2"}})
        known = (record("1", promoted()), record("2", rejected()))
        plan = decide(snapshot(of=pinned, wanted="2", known=known, traffic=ONE_STEADY, slots=[slot(BLUE, "1")]), NOW)
        assert condition(plan, "Ready") == ("True", reasons.REVISION_REJECTED)
        assert condition(plan, "Stalled") == ("True", reasons.REVISION_REJECTED)

    def test_what_keeps_a_challenger_from_starting_is_told_at_once(self) -> None:
        """Nobody looks again soon while it is deployed, so what is not told now may never be."""
        quiet = NOW.replace(microsecond=0) + timedelta(seconds=4 - NOW.second % 5)  # no numbers are due

        def shown(complaint: str) -> RolloutInput:
            slots = [slot(BLUE, "1"), slot(GREEN, "2", ready=0, complaint=complaint)]
            return snapshot(wanted="2", known=KNOWN, traffic=ONE_STEADY, slots=slots)

        earlier = decide(shown(""), quiet).status
        later = decide(replace(shown("fetch: wrong digest"), status=earlier or {}), quiet).status
        assert later is not None
        assert "fetch: wrong digest" in later["challenger"]["waitingFor"]

    def test_what_a_person_is_asked_for_is_told_at_once(self) -> None:
        """Nobody looks again soon while people are waited for."""
        quiet = NOW.replace(microsecond=0) + timedelta(seconds=4 - NOW.second % 5)  # no numbers are due
        shown = trial_world(replace(FIRST_STEP, since=ago_time(4)))
        status = dict(decide(shown, quiet).status or {})
        earlier = {
            **status,
            "challenger": {**status["challenger"], "waitingFor": "the first answers", "waitingReason": "FirstAnswers"},
        }
        later = decide(replace(shown, status=earlier), quiet).status
        assert later is not None
        assert later["challenger"]["waitingFor"] == status["challenger"]["waitingFor"]

    def test_numbers_alone_are_told_now_and_then(self) -> None:
        quiet = NOW.replace(microsecond=0) + timedelta(seconds=4 - NOW.second % 5)
        shown = trial_world(replace(FIRST_STEP, since=ago_time(4)))
        status = dict(decide(shown, quiet).status or {})
        later = decide(replace(shown, status=status), quiet + timedelta(milliseconds=100)).status
        assert later is not None
        assert later["challenger"] == status["challenger"]

    def test_a_champion_without_ready_pods_is_not_ready(self) -> None:
        shown = snapshot(
            slots=[slot(BLUE, "1", ready=0, complaint="server: killed")], known=KNOWN[:1], traffic=ONE_STEADY
        )
        plan = decide(shown, NOW)
        assert condition(plan, "Ready") == ("False", reasons.CHAMPION_UNAVAILABLE)

    def test_the_registry_being_down_is_unknown_and_no_failure(self) -> None:
        plan = decide(snapshot(**{**TWO_WARM, "wanted": SILENT}), NOW)
        assert condition(plan, "ModelResolved") == ("Unknown", reasons.REGISTRY_UNAVAILABLE)
        assert condition(plan, "Ready") == ("True", reasons.SERVING)
        assert condition(plan, "Stalled") == ("", "")

    @pytest.mark.parametrize("world", [{}, TWO_WARM], ids=["new", "served"])
    def test_while_the_registry_is_being_read_nothing_is_published(self, world: dict[str, Any]) -> None:
        plan = decide(snapshot(**{**world, "wanted": UNREAD}), NOW)
        assert (plan.status, plan.news) == (None, ())

    def test_a_revert_is_published_all_the_same_with_what_was_known_of_the_model(self) -> None:
        before = dict(decide(trial_world(FIRST_STEP), NOW).status or {})
        breached = replace(trial_world(FIRST_STEP, errors=150), status=before, model=UNREAD)
        plan = decide(breached, NOW)
        assert condition(plan, "ModelResolved") == ("True", reasons.RESOLVED)
        assert any(isinstance(action, Apply) and action.urgent for action in plan.actions)

    def test_a_spec_that_cannot_be_read_touches_nothing(self) -> None:
        broken = replace(snapshot(**TWO_WARM), spec=None, invalid="the spec cannot be read: x")
        plan = decide(broken, NOW)
        assert plan.actions == ()
        assert condition(plan, "Stalled") == ("True", reasons.INVALID_SPEC)

    def test_where_nothing_can_be_decided_ready_says_whether_users_are_served(self) -> None:
        """ModelNotServed rests on it, and pods die whether or not the spec can be read."""
        before = dict(decide(snapshot(**TWO_WARM), NOW).status or {})
        unread: dict[str, Any] = {"spec": None, "invalid": "the spec cannot be read: x"}
        served = replace(snapshot(**TWO_WARM), **unread)
        assert condition(decide(replace(served, status=before), NOW), "Ready") == ("True", reasons.SERVING)
        assert condition(decide(served, NOW), "Ready") == ("True", reasons.SERVING), "without a status too"
        gone = snapshot(**{**TWO_WARM, "slots": (slot(BLUE, "1", 1), slot(GREEN, "2", ready=0))})
        dead = decide(replace(gone, **unread, status=before), NOW)
        assert (dead.actions, condition(dead, "Ready")) == ((), ("False", reasons.CHAMPION_UNAVAILABLE))
        back = decide(replace(served, status=dict(dead.status or {})), NOW)
        assert condition(back, "Ready") == ("True", reasons.SERVING)
        settled = decide(replace(served, status=dict(back.status or {})), NOW)
        assert (settled.status, settled.news) == (back.status, ())

    @pytest.mark.parametrize(
        ("refused", "kind", "reason"),
        [(True, "Stalled", reasons.APPLY_REFUSED), (False, "Reconciling", reasons.APPLY_UNAVAILABLE)],
    )
    def test_what_stands_in_the_way_of_a_write_is_said_beside_what_is_true(
        self, refused: bool, kind: str, reason: str
    ) -> None:
        obstacle = Obstacle("Deployment", "churn-green", "Deployment churn-green: a policy", refused=refused)
        plan = decide(snapshot(**TWO_WARM, obstacles={("Deployment", "churn-green"): obstacle}), NOW)
        assert condition(plan, "Ready") == ("True", reasons.SERVING)
        assert condition(plan, kind) == ("True", reason)
        assert condition(plan, "Reconciling" if refused else "Stalled") == ("", "")

    def test_what_has_only_just_failed_for_want_of_an_answer_is_not_said(self) -> None:
        obstacle = Obstacle("Deployment", "churn-green", "500", refused=False, lasting=False)
        plan = decide(snapshot(**TWO_WARM, obstacles={("Deployment", "churn-green"): obstacle}), NOW)
        assert condition(plan, "Stalled") == condition(plan, "Reconciling") == ("", "")

    def test_history_and_last_rollback_come_from_the_records(self) -> None:
        back = replace(outcome(reasons.ROLLED_BACK, 100, reason="MetricBreach"), other=V1, breach_at=ago(102))
        known = (record("1", promoted(7200)), record("2", promoted(), back))
        at = replace(ONE_STEADY, cause=ChampionCause.ROLLED_BACK)
        status = decide(snapshot(wanted="2", known=known, traffic=at, slots=[slot(BLUE, "1")]), NOW).status
        assert status is not None
        assert [(h["version"], h["outcome"]) for h in status["history"]] == [
            ("2", "RolledBack"),
            ("2", "Promoted"),
            ("1", "Promoted"),
        ]
        assert status["lastRollback"] == {**status["lastRollback"], "from": V2, "to": V1, "seconds": 2.0}
        assert [r["version"] for r in status["rejected"]] == ["2"]

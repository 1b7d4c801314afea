"""What people say by annotations, and by `spec.rollout.paused`."""

from __future__ import annotations

import pytest

from tests.support.live_model import LiveModel

pytestmark = pytest.mark.usefixtures("shared_operator")

SIGN_OFF = {"steps": [{"name": "sign-off", "approval": {"message": "ask Ada"}}, {"weight": 100, "duration": "1s"}]}


@pytest.fixture
def serving(churn: LiveModel) -> LiveModel:
    """Version 1 is the champion."""
    churn.apply("1")
    churn.until_serves("1")
    return churn


@pytest.fixture
def promoted(serving: LiveModel) -> LiveModel:
    """Version 2 is the champion, version 1 the warm fallback."""
    serving.apply("2")
    serving.until_serves("2")
    serving.until(lambda model: model.condition("RollbackReady").get("status") == "True", "a warm fallback")
    return serving


@pytest.mark.usefixtures("safe")
def test_an_approval_lets_the_step_pass(serving: LiveModel) -> None:
    serving.apply("2", rollout=SIGN_OFF)
    serving.until(lambda model: "ask Ada" in model.trial.get("waitingFor", ""), "the question")
    serving.annotate("approve", "somebody-else")
    assert serving.champion == "1"
    serving.annotate("approve", serving.revision("2"))
    serving.until_serves("2")


@pytest.mark.usefixtures("safe")
def test_a_pause_holds_the_rollout_where_it_is(serving: LiveModel) -> None:
    serving.apply("2", rollout={"steps": [{"weight": 50, "duration": "2s"}]})
    serving.until(lambda model: model.step == 0, "the first step")
    serving.apply("2", rollout={"steps": [{"weight": 50, "duration": "2s"}], "paused": True})
    serving.until(lambda model: model.condition("Reconciling").get("reason") == "Paused", "the pause")
    assert (serving.champion, serving.challenger) == ("1", "2")
    serving.apply("2")
    serving.until_serves("2")


@pytest.mark.usefixtures("safe")
def test_a_challenger_is_rejected_by_name_and_tried_again_by_name(serving: LiveModel) -> None:
    serving.apply("2", rollout=SIGN_OFF)
    serving.until(lambda model: model.challenger == "2" and model.step == 0, "the question")
    revision = serving.revision("2")
    serving.annotate("reject", revision)
    serving.until_rejected("2")
    assert serving.status["rejected"][0]["reason"] == "RejectedByPerson"
    assert serving.champion == "1"


def test_a_rejected_revision_gets_another_chance(serving: LiveModel) -> None:
    serving.apply("2", rollout=SIGN_OFF)
    serving.until(lambda model: model.challenger == "2" and model.step == 0, "the question")
    revision = serving.revision("2")
    serving.annotate("reject", revision)
    serving.until(lambda model: model.condition("Stalled").get("status") == "True", "the rejection")
    serving.annotate("retry", revision)
    serving.until(lambda model: model.challenger == "2" and model.step == 0, "the question again")
    assert serving.rejected == []
    serving.annotate("approve", revision)
    serving.until_serves("2")


@pytest.mark.usefixtures("safe")
def test_a_champion_is_rolled_back_by_name(promoted: LiveModel) -> None:
    promoted.annotate("rollback", promoted.revision("2"))
    promoted.until(lambda model: model.champion == "1", "version 1 as the champion again")
    rollback = promoted.status["lastRollback"]
    assert (rollback["reason"], rollback["to"]) == ("RolledBackByPerson", promoted.revision("1"))
    assert promoted.rejected == ["2"]


@pytest.mark.usefixtures("safe")
def test_a_git_revert_to_a_warm_version_skips_the_steps(promoted: LiveModel) -> None:
    promoted.apply("1", rollout={**SIGN_OFF, "rollbackWindow": {"revisions": 1}, "probation": "1s"})
    promoted.until_serves("1")
    rollback = promoted.status["lastRollback"]
    assert (rollback["reason"], rollback["from"]) == ("RevertedBySpec", promoted.revision("2"))
    assert promoted.rejected == []


def test_a_drill_by_name_gives_the_traffic_to_the_fallback_and_back(promoted: LiveModel) -> None:
    promoted.apply("2", drill={"cron": "0 0 1 1 *", "mode": "Live", "duration": "10s"})
    before = promoted.selector()
    promoted.annotate("drill", promoted.revision("2"))
    promoted.until(lambda model: "startedAt" in model.status.get("drill", {}), "the drill")
    assert promoted.selector() != before
    promoted.until(lambda model: model.status["drill"]["outcome"] == "Passed", "the end of the drill")
    assert promoted.selector() == before
    assert (promoted.status["drill"]["errors"], promoted.champion, promoted.rejected) == (0, "2", [])
    assert promoted.condition("RollbackUntested")["status"] == "False"
    without = promoted.apply("2")
    assert "drill" not in without["spec"], "what is taken out of the manifest is gone, defaults and all"


@pytest.mark.usefixtures("safe")
def test_outside_of_the_window_a_challenger_is_promoted_by_name_alone(serving: LiveModel) -> None:
    new_year = {"cron": "0 0 1 1 *", "duration": "10m"}
    serving.apply("2", rollout={"steps": [{"weight": 50}], "window": new_year})
    serving.until(lambda model: model.trial.get("waitingReason") == "PromotionWindow", "the window")
    assert serving.trial["promotable"] is True
    serving.annotate("promote", serving.revision("2"))
    serving.until_serves("2")
    without = serving.apply("2", rollout={"steps": [{"weight": 50}]})
    assert "window" not in without["spec"]["rollout"], "what is taken out of the manifest is gone, defaults and all"


def test_a_restart_replaces_the_pods_by_a_rollout(serving: LiveModel) -> None:
    before = serving.status["champion"]["revision"]
    serving.annotate("restart", "2026-11-23T09:00:00Z")
    serving.until(lambda model: model.status["champion"]["revision"] != before, "another revision")
    serving.until_serves("1")

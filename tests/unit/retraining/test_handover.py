"""`gate.approval`: a candidate that passed the gate waits for a person, and blocks nothing meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.retraining.test_judged_on_evidence import AUC, ended, evaluation, served
from tests.unit.retraining.test_modes import write
from tests.unit.retraining.world import (
    World,
    daily,
    policy,
    through,
)
from viridian.api.registry import TAG_COMMANDS, TAG_GATE, TAG_OUTCOME

GATE: dict[str, Any] = {"metrics": [{"name": "auc", "min": 0.75}]}


def trained(approval: str = "Required", auc: float = 0.9, **spec: Any) -> World:
    """A run was asked for, and has trained version 1."""
    world = World(policy=policy(daily(), gate={**GATE, "approval": approval}, **spec))
    through(world)
    world.ask_by_hand("one")
    through(world)
    world.later(minutes=10).train(auc=auc)
    through(world)
    return world


def run_of(world: World, version: str = "1") -> str:
    return next(str(run["id"]) for run in world.status["runs"] if run.get("version") == version)


def version_tags(world: World, version: str = "1") -> dict[str, str]:
    return dict(world.registry.versions("churn")[version].tags)


def test_a_candidate_that_passed_waits_and_says_what_to_write() -> None:
    world = trained()
    run = run_of(world)
    assert world.last_run["outcome"] == "AwaitingApproval"
    assert world.aliases() == {}
    assert TAG_GATE not in version_tags(world)
    assert world.condition("ReviewRequired") == ("True", "AwaitingApproval")
    message = world.message("ReviewRequired")
    assert message.startswith(f"version 1 of run {run} passed the gate and waits for a person: ")
    assert f'viridian.dev/approve="{run} version 1#<your user name>" hands it over' in message
    assert world.told.count("GatePassed") == world.told.count("ReviewRequired") == 1
    assert "HandedOver" not in world.told
    assert "activeRun" not in world.status
    assert world.condition("DataQuality") == ("True", "DataAccepted")


def test_an_approval_hands_over_and_who_gave_it_is_kept() -> None:
    world = trained()
    run = run_of(world)
    write(world, approve=f"{run} version 1#bob").settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert world.last_run["message"].endswith("; approved by bob: version 1")
    assert world.last_run["commands"] == [f"viridian.dev/approve={run} version 1#bob"]
    assert world.aliases() == {"candidate": "1"}
    assert json.loads(version_tags(world)[TAG_COMMANDS]) == [f"viridian.dev/approve={run} version 1#bob"]
    assert world.told.count("HandedOver") == world.told.count("GatePassed") == 1
    assert world.condition("ReviewRequired") == ("", "")


def test_a_rejection_by_a_person_is_kept_with_its_reason() -> None:
    world = trained()
    run = run_of(world)
    write(world, reject=f"{run} the sale is over#alice", approve=f"{run} version 1#bob").settle()
    assert world.last_run["outcome"] == "Rejected"
    assert world.last_run["message"] == "it passed the gate, and was rejected by alice: the sale is over"
    assert version_tags(world)[TAG_OUTCOME] == "Rejected"
    assert world.aliases() == {}
    assert world.told.count("Rejected") == 1
    assert "GateFailed" not in world.told


@pytest.mark.parametrize("value", ["{run}", "{run} version 1", "other version 1#bob", ""])
def test_an_approval_without_a_name_or_of_another_run_is_none(value: str) -> None:
    world = trained()
    write(world, approve=value.format(run=run_of(world))).settle()
    assert world.last_run["outcome"] == "AwaitingApproval"


def test_the_approval_with_which_a_run_began_does_not_hand_its_candidate_over() -> None:
    world = World(policy=policy(daily(), gate={**GATE, "approval": "Required"}, approval={"training": "Required"}))
    world.settle()
    world.ask_by_hand("one").settle()
    run = world.status["recommended"]["run"]
    write(world, approve=f"{run}#bob").settle()
    world.train(auc=0.9).settle()
    assert world.last_run["outcome"] == "AwaitingApproval"
    write(world, approve=f"{run} version 1#bob").settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert len(world.last_run["commands"]) == 2


def test_a_run_that_waits_blocks_no_newer_one_and_a_newer_candidate_takes_its_place() -> None:
    world = trained()
    world.at("2026-11-21T03:00:05Z").settle()
    assert len(world.made) == 2
    world.later(minutes=10).train(auc=0.9).settle()
    outcomes = {run["version"]: run["outcome"] for run in world.outcomes().values()}
    assert outcomes == {"1": "Superseded", "2": "AwaitingApproval"}
    assert version_tags(world)[TAG_OUTCOME] == "Superseded"
    write(world, approve=f"{run_of(world)} version 1#bob").settle()
    assert world.aliases() == {}, "what was superseded is not handed over any more"
    write(world, approve=f"{run_of(world, '2')} version 2#bob").settle()
    assert world.aliases() == {"candidate": "2"}


def test_a_newer_candidate_that_fails_supersedes_nothing() -> None:
    world = trained()
    world.at("2026-11-21T03:00:05Z").settle()
    world.later(minutes=10).train(auc=0.5).settle()
    write(world, approve=f"{run_of(world)} version 1#bob").settle()
    assert world.aliases() == {"candidate": "1"}


def test_a_candidate_is_approved_while_another_run_is_at_work() -> None:
    world = trained()
    world.at("2026-11-21T03:00:05Z").settle()
    write(world, approve=f"{run_of(world)} version 1#bob").settle()
    assert world.aliases() == {"candidate": "1"}
    assert "activeRun" in world.status
    world.later(minutes=10).train(auc=0.9).settle()
    assert world.last_run["outcome"] == "AwaitingApproval"
    assert world.last_run["version"] == "2"


def test_while_the_registry_is_silent_the_run_at_work_is_still_noted() -> None:
    world = trained()
    world.at("2026-11-21T03:00:05Z").settle()
    world.train(auc=0.9)
    world.registry.unavailable = True
    write(world, approve=f"{run_of(world)} version 1#bob").settle()
    world.remove_ended_jobs()
    world.registry.unavailable = False
    world.settle()
    assert sorted(run["outcome"] for run in world.outcomes().values()) == ["AwaitingApproval", "HandedOver"]


def test_an_approved_candidate_is_judged_once_more_against_the_champion_of_then() -> None:
    world = trained()
    world.edit(gate={"metrics": [{"name": "auc", "min": 0.95}], "approval": "Required"})
    write(world, approve=f"{run_of(world)} version 1#bob").settle()
    assert world.last_run["outcome"] == "Rejected"
    assert world.aliases() == {}


def test_the_first_version_has_no_champion_to_be_better_than() -> None:
    assert trained("AutoIfSuperior").last_run["outcome"] == "AwaitingApproval"


@pytest.mark.parametrize(("auc", "outcome"), [(0.801, "AwaitingApproval"), (0.83, "HandedOver")])
def test_a_candidate_that_is_shown_to_be_better_needs_no_approval_with_auto_if_superior(
    auc: float, outcome: str
) -> None:
    world = served()
    world.edit(gate={**AUC, "approval": "AutoIfSuperior"})
    assert ended(world, evaluation(auc, 0.004)).last_run["outcome"] == outcome


def test_an_edit_that_asks_for_no_approval_any_more_hands_over_what_waits() -> None:
    world = trained()
    world.edit(gate=GATE).settle()
    assert world.last_run["outcome"] == "HandedOver"


def test_what_fails_the_gate_waits_for_nobody() -> None:
    assert trained(auc=0.5).last_run["outcome"] == "Rejected"


def test_a_candidate_that_waits_outlives_the_history_and_a_deleted_status() -> None:
    world = trained(history={"runs": 1})
    world.at("2026-11-21T03:00:05Z").settle()
    world.end(1).settle()
    world.forget_status().settle()
    assert world.condition("ReviewRequired") == ("True", "AwaitingApproval")


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_a_decision_is_carried_out_once_wherever_the_operator_is_killed(command: str) -> None:
    """From the write of the decision on, the annotation is not needed any more."""

    def decide(world: World) -> World:
        run = run_of(world)
        world.writes, before = 0, len(world.registry.writes)
        write(world, **{command: f"{run} version 1#bob"})
        through(world)
        assert len(world.registry.writes) > before
        return world

    expected = decide(trained())
    for k in range(1, expected.writes + 1):
        world = trained()
        world.writes_left = k
        world.on_kill = world.policy["metadata"]["annotations"].clear
        decide(world)
        assert world.outcomes() == expected.outcomes(), f"killed after write {k}"
        assert world.aliases() == expected.aliases()
        assert version_tags(world) == version_tags(expected)

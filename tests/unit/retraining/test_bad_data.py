"""Bad data pauses automation: what was held back comes back once, on other data or when a person overrides."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.retraining.test_modes import write
from tests.unit.retraining.test_several_stages import pass_stage
from tests.unit.retraining.test_what_starts_a_run import finish
from tests.unit.retraining.world import (
    World,
    begin,
    daily,
    policy,
    reasons_of,
    stage_spec,
    through,
)


def paused() -> World:
    """The run of 21 November found the data bad; triggers of two more days were held back."""
    world = begin(daily(), data={"uri": "s3://rows"})
    world.at("2026-11-21T03:00:05Z").settle()
    world.end(64, {"failures": ["age is empty"]}).settle()
    for day in (22, 23):
        world.at(f"2026-11-{day}T03:00:05Z").settle()
    return world


def finding(world: World) -> str:
    return str(world.last_run["id"])


def test_the_message_says_what_holds_and_what_to_do() -> None:
    world = paused()
    run = finding(world)
    assert world.message("DataQuality") == (
        f"run {run}: the data is not good enough: age is empty. Triggers wait. When the data is better, change "
        "spec.data.revision, or start a run with the annotation viridian.dev/run. To train on it all the same, write "
        f'the annotation viridian.dev/override="{run} <why>#<your user name>"'
    )
    assert world.condition("Paused") == ("True", "DataQualityFailed")


def test_an_override_by_name_and_with_a_reason_ends_the_pause_and_stays_on_the_record() -> None:
    world = paused()
    run = finding(world)
    write(world, override=f"{run} age is not used any more#alice").settle()
    assert reasons_of(world)[1:] == [["schedule:daily:2026-11-23T03:00:00Z"]], "the newest that was held back, once"
    assert world.condition("DataQuality") == ("False", "Overridden")
    assert world.message("DataQuality").endswith("The pause was ended by alice: age is not used any more")
    assert world.condition("Paused") == ("False", "NotPaused")
    finish(world)
    assert world.last_run["commands"] == [f"viridian.dev/override={run} age is not used any more#alice"]
    assert world.condition("DataQuality") == ("True", "DataAccepted")
    world.later(hours=12).settle()
    assert len(world.made) == 2


@pytest.mark.parametrize("value", ["{run}#alice", "{run} why", "other why#alice", "#alice", "{run} why#"])
def test_an_override_without_its_run_a_reason_or_a_name_is_none(value: str) -> None:
    world = paused()
    write(world, override=value.format(run=finding(world))).settle()
    assert world.condition("Paused") == ("True", "DataQualityFailed")
    assert len(world.made) == 1


def test_an_override_holds_after_its_annotation_is_gone_and_never_for_a_later_finding() -> None:
    world = paused()
    write(world, override=f"{finding(world)} known#alice").settle()
    world.policy["metadata"]["annotations"].clear()
    world.end(1).settle()
    assert world.condition("Paused") == ("False", "NotPaused"), "the record of the run that it let begin remembers it"
    world.at("2026-11-24T03:00:05Z").settle()
    write(world, override=f"{world.status['runs'][-1]['id']} known#alice")
    world.end(64, {"failures": ["age is text"]}).settle()
    assert world.condition("Paused") == ("True", "DataQualityFailed"), "another run has found something"


# ---- data that is looked at again

CAUSE = "schedule:daily:2026-11-21T03:00:00Z"


def validated(**spec: Any) -> World:
    stages = {name: stage_spec(f"ghcr.io/acme/{name.lower()}:1") for name in ("dataValidation", "training")}
    return World(policy=policy(daily(), stages=stages, **spec))


def bad_rows(world: World) -> World:
    """The stage at work finds the data bad."""
    return world.end(64, {"failures": ["age is empty"]})


def looked_at_again(world: World) -> None:
    """Bad at 03:00, a trigger a day later; a first look finds the data bad again, a second one good."""
    world.at("2026-11-21T03:00:05Z")
    through(world)
    bad_rows(world)
    through(world)
    for time in ("2026-11-22T03:00:05Z", "2026-11-22T04:00:05Z"):
        world.at(time)
        through(world)
        if time.startswith("2026-11-22T03"):
            bad_rows(world)
            through(world)
    world.end(0)
    through(world)
    world.train(auc=0.9)
    through(world)


def test_bad_data_is_looked_at_again_and_the_good_look_is_the_one_run_for_what_was_held_back() -> None:
    world = validated()
    world.settle()
    world.at("2026-11-21T03:00:05Z").settle()
    bad_rows(world).settle()
    first = finding(world)
    assert world.condition("Stalled") == ("", ""), "nothing has to be changed by a person"
    assert world.condition("Reconciling") == ("True", "DataQualityFailed")
    assert "If a trigger waits then, the stage dataValidation looks again at 2026-11-21T04:00:05Z" in world.message(
        "DataQuality"
    )
    world.at("2026-11-21T09:00:00Z").settle()
    assert len(world.made) == 1, "no trigger waits, so nobody needs to know"
    world.at("2026-11-22T03:00:05Z").settle()
    assert [job.rsplit("-", 1)[1] for job in world.made] == ["validation", "validation"]
    bad_rows(world).settle()
    assert world.condition("DataQuality") == ("False", "DataQualityFailed")
    assert f'viridian.dev/override="{first} <why>' in world.message("DataQuality"), "it is still the same pause"
    plan = world.settle()
    assert plan.wake is not None
    assert plan.wake.isoformat() == "2026-11-22T04:00:05+00:00"
    world.now = plan.wake
    world.settle()
    pass_stage(world)
    assert world.condition("DataQuality") == ("True", "DataAccepted")
    assert world.condition("Paused") == ("False", "NotPaused")
    assert world.told.count("Resumed") == 1
    finish(world)
    assert world.last_run["outcome"] == "HandedOver"
    assert world.last_run["reasons"][1:] == ["schedule:daily:2026-11-22T03:00:00Z"]
    world.at("2026-11-22T23:00:00Z").settle()
    assert len(world.made) == 4


def test_looks_fill_neither_the_history_nor_the_budget() -> None:
    world = validated(budget={"maxRuns": 2, "period": "30d"}, history={"runs": 2})
    world.settle()
    world.at("2026-11-21T03:00:05Z").settle()
    bad_rows(world).settle()
    world.at("2026-11-22T03:00:05Z").settle()
    for _ in range(8):
        bad_rows(world).settle()
        world.later(hours=1).settle()
    bad_rows(world).settle()
    assert len(world.made) == 10
    assert world.status["budget"]["runs"] == 1
    assert len(world.runs) <= 3
    assert len(world.status["runs"]) == 2
    assert world.condition("Paused") == ("True", "DataQualityFailed")


def test_an_override_of_the_first_finding_counts_after_later_looks() -> None:
    world = validated()
    world.settle()
    world.at("2026-11-21T03:00:05Z").settle()
    bad_rows(world).settle()
    first = finding(world)
    world.at("2026-11-22T03:00:05Z").settle()
    bad_rows(world).settle()
    assert finding(world) != first
    write(world, override=f"{first} age is not used#alice").settle()
    assert world.condition("Paused") == ("False", "NotPaused")
    assert reasons_of(world)[-1] == ["schedule:daily:2026-11-22T03:00:00Z"]


def test_the_run_that_an_override_lets_begin_trains_on_the_data_and_the_next_one_looks_again() -> None:
    world = validated()
    world.settle()
    world.at("2026-11-21T03:00:05Z").settle()
    bad_rows(world).settle()
    world.at("2026-11-22T03:00:05Z").settle()
    bad_rows(world).settle()
    write(world, override=f"{world.status['runs'][-1]['id']} age is not used#alice").settle()
    assert world.made[-1].endswith("-training")
    finish(world)
    assert world.last_run["outcome"] == "HandedOver"
    world.at("2026-11-23T03:00:05Z").settle()
    assert world.made[-1].endswith("-validation")
    bad_rows(world).settle()
    assert world.condition("Paused") == ("True", "DataQualityFailed"), "a pause that nobody has overridden"


@pytest.mark.parametrize("code", [1, 66])
def test_a_look_that_says_nothing_of_the_data_answers_nothing(code: int) -> None:
    world = validated()
    world.settle()
    world.at("2026-11-21T03:00:05Z").settle()
    bad_rows(world).settle()
    world.at("2026-11-22T03:00:05Z").settle()
    world.end(code).settle()
    world.later(minutes=59).settle()
    assert len(world.made) == 2
    world.later(minutes=2).settle()
    assert len(world.made) == 3
    pass_stage(world)
    finish(world)
    assert world.last_run["reasons"][1:] == ["schedule:daily:2026-11-22T03:00:00Z"]


def test_data_that_only_training_found_bad_is_not_looked_at_again() -> None:
    world = validated()
    world.settle()
    world.at("2026-11-21T03:00:05Z").settle()
    pass_stage(world)
    bad_rows(world).settle()
    assert world.condition("Stalled") == ("True", "DataQualityFailed")
    world.at("2026-11-22T03:00:05Z").settle()
    assert len(world.made) == 2


HOLDS: dict[str, Any] = {
    "suspend": {"suspend": True},
    "cooldown": {"budget": {"cooldown": "2d"}},
    "blackout": {"blackouts": [{"cron": "0 0 22 11 *", "duration": "1d"}]},
}


@pytest.mark.parametrize("hold", HOLDS)
def test_no_look_begins_while_anything_else_holds_triggers_back(hold: str) -> None:
    world = validated()
    world.settle()
    world.at("2026-11-21T03:00:05Z").settle()
    bad_rows(world).settle()
    world.edit(**HOLDS[hold])
    world.at("2026-11-22T03:00:05Z").settle()
    assert len(world.made) == 1


def test_the_pause_ends_the_same_wherever_the_operator_is_killed() -> None:
    expected = validated()
    through(expected)
    looked_at_again(expected)
    outcomes = [run["outcome"] for run in expected.outcomes().values()]
    assert outcomes == ["DataQualityFailed", "DataQualityFailed", "HandedOver"]
    for k in range(1, expected.writes + 1):
        world = validated()
        world.writes_left = k
        world.on_kill = world.forget_status if k % 2 else None
        through(world)
        looked_at_again(world)
        assert [run["outcome"] for run in world.outcomes().values()] == outcomes, f"killed after write {k}"
        assert world.made == expected.made
        assert world.last_run["reasons"] == expected.last_run["reasons"]

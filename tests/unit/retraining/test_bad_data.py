"""Bad data pauses automation: what was held back comes back once, on other data or when a person overrides."""

from __future__ import annotations

import pytest

from tests.unit.retraining.test_modes import write
from tests.unit.retraining.test_what_starts_a_run import begin, daily, finish, reasons_of
from tests.unit.retraining.world import World


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

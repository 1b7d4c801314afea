"""Candidates that are rejected one after the other stop the triggers, until a person has looked."""

from __future__ import annotations

import pytest

from tests.unit.retraining.world import (
    World,
    begin,
    daily,
    reasons_of,
)

GATE = {"metrics": [{"name": "auc", "min": 0.75}]}
TWO = {"rejectedInARow": 2}


def day(number: int) -> str:
    return f"2026-11-{number:02d}T03:00:05Z"


def end(world: World, auc: float) -> World:
    world.train(auc=auc).settle()
    return world


def opened() -> World:
    """Two candidates were rejected, and the triggers of two more days were held back."""
    world = begin(daily(), gate=GATE, circuitBreaker=TWO)
    for number in (21, 22):
        world.at(day(number)).settle()
        end(world, 0.5)
    for number in (23, 24):
        world.at(day(number)).settle()
    return world


def test_it_opens_after_so_many_rejections_and_says_what_to_do() -> None:
    world = opened()
    assert len(world.made) == 2
    assert world.condition("Paused") == ("True", "CircuitOpen")
    assert world.condition("Stalled") == ("True", "CircuitOpen")
    assert world.condition("Ready") == ("False", "CircuitOpen")
    message = world.message("Stalled")
    assert message.startswith("2 candidates were rejected in a row, the last one in run ")
    assert "until a run that a person asks for passes (annotation viridian.dev/run), or the spec is edited" in message
    assert world.told.count("Stalled") == 1
    assert "nextScheduled" not in world.status


@pytest.mark.parametrize("auc", [0.9, 0.5], ids=["passes", "is rejected"])
def test_a_run_of_a_person_closes_it_only_if_it_passes(auc: float) -> None:
    world = opened()
    world.ask_by_hand("look").settle()
    end(world, auc)
    assert reasons_of(world)[2] == ["manual:look", "schedule:daily:2026-11-24T03:00:00Z"]
    world.at(day(25)).settle()
    assert len(world.made) == (4 if auc > 0.75 else 3)
    assert world.condition("Paused")[0] == ("False" if auc > 0.75 else "True")


def test_an_edit_closes_it_and_the_newest_time_that_was_held_back_runs_once() -> None:
    world = opened()
    world.edit(gate={"metrics": [{"name": "auc", "min": 0.4}]}).settle()
    assert reasons_of(world)[2:] == [["schedule:daily:2026-11-24T03:00:00Z"]]
    end(world, 0.5)
    world.later(hours=2).settle()
    assert len(world.made) == 3
    assert world.condition("Paused") == ("False", "NotPaused")


def test_after_an_edit_the_row_begins_anew() -> None:
    world = opened()
    world.edit(history={"runs": 5}).settle()
    end(world, 0.5)
    world.at(day(25)).settle()
    assert len(world.made) == 4, "one rejection of this generation is no row"
    end(world, 0.5)
    assert world.condition("Paused") == ("True", "CircuitOpen")


def test_runs_without_a_candidate_neither_count_nor_end_the_row() -> None:
    world = begin(daily(), gate=GATE, circuitBreaker=TWO)
    for number, code in ((21, None), (22, 66), (23, 1), (24, None)):
        world.at(day(number)).settle()
        if code is None:
            end(world, 0.5)
        else:
            world.end(code).settle()
    assert world.condition("Paused") == ("True", "CircuitOpen")


def test_the_rejections_outlive_the_history() -> None:
    world = begin(daily(), gate=GATE, circuitBreaker=TWO, history={"runs": 1})
    for number in (21, 22):
        world.at(day(number)).settle()
        end(world, 0.5)
    assert world.forget_status().settle().actions == ()
    assert world.condition("Paused") == ("True", "CircuitOpen")

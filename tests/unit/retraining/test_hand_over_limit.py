"""`budget.maxHandOvers`: what comes earlier than there is room for it waits, and is not lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.retraining.test_modes import write
from tests.unit.retraining.world import World, policy
from viridian.core.times import format_time

GATE = {"metrics": [{"name": "auc", "min": 0.75}]}


def limited(most: int = 1, **spec: Any) -> World:
    world = World(policy=policy(gate=GATE, budget={"maxHandOvers": most, "period": "7d"}, **spec))
    world.settle()
    return world


def passes(world: World, auc: float = 0.9) -> World:
    """Another run is asked for, and its candidate passes the gate."""
    world.later(hours=1).ask_by_hand(format_time(world.now)).settle()
    world.train(auc=auc).settle()
    return world


def test_a_second_hand_over_within_the_period_is_queued_and_not_dropped() -> None:
    """R19."""
    world = passes(limited())
    first = world.now
    assert (world.last_run["outcome"], world.status["budget"]["handOversLeft"]) == ("HandedOver", 0)
    passes(world)
    assert world.last_run["outcome"] == "AwaitingApproval"
    assert world.last_run["waitsUntil"] == "2026-11-27T13:00:00Z"
    assert world.last_run["message"].endswith(
        "; 1 of 1 hand-overs of 7d are used up: it waits until 2026-11-27T13:00:00Z, or for the annotation "
        "viridian.dev/approve"
    )
    assert world.condition("ReviewRequired") == ("", "")
    assert world.aliases() == {"candidate": "1"}
    world.now = first
    world.later(days=7, seconds=-1).settle()
    assert world.aliases() == {"candidate": "1"}
    world.later(seconds=1).settle()
    assert world.aliases() == {"candidate": "2"}
    assert (world.last_run["outcome"], world.last_run["handedOverAt"]) == ("HandedOver", "2026-11-27T13:00:00Z")
    assert "waitsUntil" not in world.last_run
    assert world.status["budget"]["handOversLeft"] == 0


def test_while_it_waits_nothing_is_written_and_the_operator_wakes_in_time() -> None:
    world = passes(passes(limited()))
    writes = world.writes
    plan = world.later(days=1).settle()
    assert world.writes == writes
    assert plan.wake is not None
    assert format_time(plan.wake) == "2026-11-27T13:00:00Z"


def test_a_person_who_approves_it_need_not_wait() -> None:
    world = passes(passes(limited()))
    write(world, approve=f"{world.last_run['id']} version 2#bob").settle()
    assert world.last_run["outcome"] == "HandedOver"
    assert world.aliases() == {"candidate": "2"}


def test_a_newer_candidate_takes_the_place_in_the_queue() -> None:
    world = passes(passes(passes(limited())))
    assert [run["outcome"] for run in world.status["runs"]] == ["AwaitingApproval", "Superseded", "HandedOver"]
    world.later(days=8).settle()
    assert world.aliases() == {"candidate": "3"}


@pytest.mark.parametrize("budget", [{"maxHandOvers": 2, "period": "7d"}, {"maxHandOvers": 1, "period": "1h"}, {}])
def test_an_edit_that_makes_room_hands_over_at_once(budget: dict[str, Any]) -> None:
    world = passes(passes(limited()))
    world.edit(budget=budget).settle()
    assert world.aliases() == {"candidate": "2"}


def test_a_candidate_that_is_rejected_needs_no_room() -> None:
    world = passes(passes(limited()), auc=0.1)
    assert world.last_run["outcome"] == "Rejected"


def test_hand_overs_count_beyond_the_history_that_is_kept() -> None:
    world = limited(2, history={"runs": 1})
    for _ in range(3):
        passes(world)
    assert world.last_run["outcome"] == "AwaitingApproval"
    assert world.last_run["waitsUntil"] == "2026-11-27T13:00:00Z"


def test_an_approval_that_is_required_comes_before_the_queue() -> None:
    world = limited()
    passes(world).edit(gate={**GATE, "approval": "Required"})
    passes(world)
    assert "waitsUntil" not in world.last_run
    assert world.condition("ReviewRequired") == ("True", "AwaitingApproval")
    world.later(days=8).settle()
    assert world.aliases() == {"candidate": "1"}

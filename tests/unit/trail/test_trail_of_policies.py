"""What the records of a RetrainPolicy leave in its trail: new data, new code, and each run."""

from __future__ import annotations

from collections import Counter

from tests.unit.retraining.test_new_data import after_a_period, poll, run, world_of
from tests.unit.retraining.world import World, policy, stage_spec
from viridian.api import reasons
from viridian.api.lineage import CODE_REVISION_ANNOTATION
from viridian.trail.trail_entry import TrailEntry
from viridian.trail.trail_sources import entries_of_policy


def entries(world: World) -> dict[str, TrailEntry]:
    found = entries_of_policy(list(world.records.values()), "churn", "policy-1")
    return {entry.key: entry for entry in found}


def words(world: World) -> Counter[str]:
    return Counter(entry.what for entry in entries(world).values())


def one(world: World, what: str) -> TrailEntry:
    (found,) = (entry for entry in entries(world).values() if entry.what == what)
    return found


def test_new_data_is_one_entry_whoever_sees_it_first() -> None:
    world = world_of()
    poll(world, "a")
    assert words(world)[reasons.NEW_DATA] == 1
    run(world, "a")
    assert words(world)[reasons.NEW_DATA] == 1, "the resolver of the run has found the same"
    poll(after_a_period(world), "b")
    assert words(world)[reasons.NEW_DATA] == 2


def test_a_run_is_an_entry_at_its_start_and_at_its_end() -> None:
    world = World()
    world.ask_by_hand("one").settle()
    assert words(world) == {reasons.RUN_STARTED: 1}
    assert "manual:one" in one(world, reasons.RUN_STARTED).message
    world.train(auc=0.9).settle()
    assert words(world) == {reasons.RUN_STARTED: 1, reasons.HANDED_OVER: 1}
    ended = one(world, reasons.HANDED_OVER)
    assert "version 1" in ended.message
    assert ended.by == "Viridian"


def test_changed_code_is_an_entry_and_the_same_code_is_none() -> None:
    def trained_with(commit: str) -> dict[str, object]:
        stage = stage_spec()
        stage["template"]["metadata"] = {"annotations": {CODE_REVISION_ANNOTATION: commit}}
        return {"training": stage}

    world = World(policy=policy())
    for number, commit in enumerate(("c1", "c1", "c2")):
        world.edit(stages=trained_with(commit), runOnChange=[])
        world.later(minutes=10).ask_by_hand(f"run {number}").settle()
        world.train(auc=0.9).settle()
    found = [entry for entry in entries(world).values() if entry.what == reasons.NEW_CODE]
    assert [entry.message.split("code ")[1].split(",")[0] for entry in sorted(found, key=lambda one: one.at)] == [
        "c1",
        "c2",
    ]


def test_who_approved_stands_in_the_entry() -> None:
    world = World(policy=policy(gate={"approval": "Required"}))
    world.ask_by_hand("one").settle()
    world.train(auc=0.9).settle()
    assert one(world, reasons.AWAITING_APPROVAL)
    run_id = world.last_run["id"]
    world.policy["metadata"]["annotations"]["viridian.dev/approve"] = f"{run_id} good#anna"
    world.settle()
    assert one(world, reasons.HANDED_OVER).by == "anna"

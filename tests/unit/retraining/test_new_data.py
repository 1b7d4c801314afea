"""The trigger newData: the resolver is asked between runs, and content that no run has been given starts one."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from tests.unit.retraining.world import Object, World, policy, stage_spec, weekly
from viridian.api.names import DATA_ANNOTATION
from viridian.core.obstacles import Obstacle
from viridian.core.plan import Apply
from viridian.retraining.decide import decide
from viridian.retraining.interpret import with_obstacles
from viridian.retraining.polled_data import MAX_SEEN

URI = "git+https://git.example/data//train.csv"
STAGES = ("dataValidation", "training")
TRIGGER: Object = {"name": "fresh", "newData": {"poll": "10m"}}


def state(digest: str, revision: str = "") -> Object:
    return {"uri": URI, "revision": revision or f"commit-of-{digest}", "digest": digest}


def world_of(*triggers: Object, **spec: Any) -> World:
    data = {"uri": URI, "revision": "main", "resolver": {}}
    world = World(policy=policy(TRIGGER, *triggers, **{"data": data, **spec}))
    world.settle()
    return world


def polls(world: World) -> list[str]:
    return [name for name in world.jobs if name.endswith("-poll")]


def poll(world: World, digest: str, revision: str = "") -> World:
    """The Job of the poll at work ends with this state of the data."""
    (name,) = polls(world)
    assert name == world.made[-1]
    world.end(0, {"data": state(digest, revision)}).settle()
    return world


def after_a_period(world: World) -> World:
    """The next poll is due, and its Job is made."""
    world.later(minutes=10).settle()
    return world


def run(world: World, digest: str, revision: str = "") -> World:
    """The run at work resolves the data and trains."""
    assert world.made[-1].endswith("-data")
    world.end(0, {"data": state(digest, revision)}).settle()
    world.train(auc=0.9).settle()
    return world


def run_validated(world: World, digest: str) -> World:
    """New content is polled, and the run that it starts passes its validation and trains."""
    poll(after_a_period(world), digest)
    world.end(0, {"data": state(digest)}).settle()
    world.end(0).settle()
    world.train(auc=0.9).settle()
    return world


def made(world: World, kind: str) -> int:
    return sum(name.endswith(kind) for name in world.made)


def test_new_content_starts_one_run_and_the_same_content_none() -> None:
    world = world_of()
    poll(world, "a")
    assert polls(world) == []
    run(world, "a")
    assert world.last_run["reasons"] == ["newData:fresh:a"]
    for _ in range(3):
        poll(after_a_period(world), "a")
    assert made(world, "-training") == 1
    poll(after_a_period(world), "b")
    run(world, "b")
    assert made(world, "-training") == 2


def test_a_new_commit_with_the_same_content_starts_no_run() -> None:
    world = run(poll(world_of(), "a", "commit-1"), "a", "commit-1")
    poll(after_a_period(world), "a", "commit-2")
    assert made(world, "-training") == 1
    (trigger,) = world.status["triggers"]
    assert trigger["lastSeen"].startswith("revision commit-2 digest a at ")
    assert "suppressed" not in trigger


def test_content_that_another_cause_brought_into_a_run_is_not_new() -> None:
    world = world_of()
    world.ask_by_hand("now").settle()
    assert polls(world)  # both at work
    world.end(0, {"data": state("a")}).settle()  # the resolver of the run
    world.train(auc=0.9).settle()
    (name,) = polls(world)
    world.made.append(name)
    world.end(0, {"data": state("a")}).settle()
    assert made(world, "-training") == 1


def test_a_run_that_resolved_something_newer_has_answered_both() -> None:
    world = poll(world_of(), "a")
    run(world, "b")
    poll(after_a_period(world), "b")
    assert made(world, "-training") == 1


def test_the_cause_shows_the_state_to_the_stages() -> None:
    world = poll(world_of(), "a")
    (cause,) = json.loads(world.variables["VIRIDIAN_REASONS"])
    assert cause["evidence"] == state("a")


def test_polls_keep_their_period_and_no_more_is_written_between_them() -> None:
    world = run(poll(world_of(), "a"), "a")
    plan, writes = world.settle(), world.writes
    assert plan.wake is not None
    assert timedelta() < plan.wake - world.now <= timedelta(minutes=10)
    world.now = plan.wake - timedelta(seconds=1)
    world.settle()
    assert world.writes == writes
    world.later(seconds=1).settle()
    assert len(polls(world)) == 1


def test_the_history_of_states_is_bounded() -> None:
    world = world_of(suspend=False, budget={"cooldown": "30d"})
    for place in range(MAX_SEEN + 5):
        poll(world, f"digest-{place}")
        if place == 0:
            run(world, "digest-0")
        world.later(minutes=11).settle()
    (noted,) = [found for found in world.records.values() if DATA_ANNOTATION in found["metadata"]["annotations"]]
    assert len(json.loads(noted["metadata"]["annotations"][DATA_ANNOTATION])["seen"]) == MAX_SEEN


def test_what_is_found_while_automation_is_held_back_starts_one_run_afterwards() -> None:
    world = run(poll(world_of(budget={"cooldown": "1h"}), "a"), "a")
    for digest in ("b", "c"):
        poll(after_a_period(world), digest)
    assert world.status["triggers"][0]["suppressed"]["reason"] == "Cooldown"
    world.later(hours=1).settle()
    assert world.status["activeRun"]["reasons"] == ["newData:fresh:c"]


def test_a_resolver_that_fails_is_a_condition_with_its_reason_and_starts_nothing() -> None:
    world = world_of()
    world.end(1, {"failures": ["the repository has no branch and no tag main"]}).settle()
    assert world.condition("Ready") == ("False", "DataUnresolved")
    assert world.condition("Reconciling") == ("True", "DataUnresolved")
    assert "trigger fresh: the data cannot be resolved: exit code 1: the repository has no branch" in world.message(
        "Ready"
    )
    assert polls(world) == []
    poll(after_a_period(world), "a")
    assert world.condition("Ready")[0] == "True"
    assert world.status["activeRun"]["reasons"] == ["newData:fresh:a"]


def test_a_resolver_that_names_no_state_is_the_same_kind_of_failure() -> None:
    world = world_of()
    world.end(0, {}).settle()
    assert "names neither a revision nor a digest" in world.message("Ready")


def bad(world: World, digest: str) -> World:
    """The run at work resolves the data, and its stage dataValidation finds it bad."""
    world.end(0, {"data": state(digest)}).settle()
    assert world.made[-1].endswith("-validation")
    world.end(64, {"failures": ["age is empty"]}).settle()
    return world


def validated() -> World:
    stages = {name: stage_spec(f"ghcr.io/acme/{name.lower()}:1") for name in STAGES}
    return bad(poll(world_of(stages=stages, dataQuality={"recheck": "30d"}), "a"), "a")


def test_other_content_ends_a_pause_for_bad_data_long_before_the_next_look() -> None:
    world = validated()
    assert world.condition("Paused") == ("True", "DataQualityFailed")
    poll(after_a_period(world), "a")
    assert world.condition("Paused") == ("True", "DataQualityFailed"), "it is the same content"
    poll(after_a_period(world), "b")
    assert world.condition("Paused") == ("False", "NotPaused")
    assert world.condition("DataQuality") == ("Unknown", "DataChanged")
    assert "the data has other content than that which run" in world.message("DataQuality")
    assert world.status["activeRun"]["reasons"] == ["newData:fresh:b"]
    bad(world, "b")
    assert world.condition("Paused") == ("True", "DataQualityFailed"), "and is found bad for itself"
    assert made(world, "-validation") == 2


def test_content_that_was_taken_back_ends_the_pause_and_starts_no_run() -> None:
    """What runs were given before is no new data: the next cause of another kind starts a run with it."""
    world = run_validated(validated(), "b")
    bad(poll(after_a_period(world), "c"), "c")
    poll(after_a_period(world), "b")
    assert world.condition("Paused") == ("False", "NotPaused")
    assert "activeRun" not in world.status
    assert made(world, "-training") == 1


def test_a_look_that_fails_or_ended_before_the_run_did_ends_no_pause() -> None:
    world = validated()
    after_a_period(world)
    world.end(1, {"failures": ["no such branch"]}).settle()
    assert world.condition("Paused") == ("True", "DataQualityFailed")
    world = world_of(stages={name: stage_spec(f"ghcr.io/acme/{name.lower()}:1") for name in STAGES})
    bad(poll(world, "a"), "b")
    assert world.condition("Paused") == ("True", "DataQualityFailed"), "the run was given something newer"


def test_other_data_begins_anew() -> None:
    world = run(poll(world_of(), "a"), "a")
    world.edit(data={"uri": URI, "revision": "next", "resolver": {}}).settle()
    poll(world, "a")
    assert world.status["activeRun"]["reasons"] == ["newData:fresh:a"]


def test_no_poll_is_made_without_the_trigger_and_while_suspended() -> None:
    assert world_of(suspend=True).made == []
    world = world_of()
    world.edit(triggers=[weekly()]).settle()
    assert polls(world) == []


def test_a_template_that_is_not_allowed_is_not_polled_with() -> None:
    wrong = {"template": {"spec": {"containers": [{"name": "a"}]}}}
    world = world_of(data={"uri": URI, "revision": "main", "resolver": wrong})
    assert world.made == []
    assert world.condition("Stalled") == ("True", "InvalidSpec")


def test_a_poll_that_the_api_server_refuses_is_tried_again_but_not_at_once() -> None:
    world = World(policy=policy(TRIGGER, data={"uri": URI, "revision": "main", "resolver": {}}))
    given, plan = world.observe(), world.decide()
    (job,) = (action for action in plan.actions if isinstance(action, Apply) and action.target[0] == "Job")
    assert plan.wake == world.now
    refused = decide(with_obstacles(given, {job.target: Obstacle(*job.target, "no quota", refused=True)}))
    assert job in refused.actions
    assert refused.wake is not None
    assert refused.wake > world.now

"""What `plan` says about a RetrainPolicy is what the operator does: both are asked about the same world."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.unit.retraining.world import World, begin, policy, stage_spec, weekly
from viridian.cli.files import UnusableFile
from viridian.cli.live_policy import LivePolicy
from viridian.cli.policy_plan import policy_plan

OTHER_IMAGE = "ghcr.io/acme/churn-train:1.5"


def live(world: World) -> LivePolicy:
    """What a person can read: pods show whose they are by their labels."""
    pods = [
        {**pod, "metadata": {**pod["metadata"], "labels": {"batch.kubernetes.io/job-name": job}}}
        for job, found in world.pods.items()
        for pod in found
    ]
    children = {"ControllerRevision": [*world.records.values()], "Job": [*world.jobs.values()], "Pod": pods}
    return LivePolicy(copy.deepcopy(world.policy), copy.deepcopy(children))


def planned(world: World, **spec: Any) -> list[str]:
    """The sentences about an edit, without the heading."""
    edited = {
        **world.policy,
        "metadata": {"name": "churn", "namespace": "ml"},
        "spec": {**world.policy["spec"], **spec},
    }
    return [line.strip() for line in policy_plan(live(world), edited, world.deployment, world.now)][1:]


def has_run(*triggers: dict[str, Any], **spec: Any) -> World:
    """A policy whose first run has ended."""
    world = begin(*triggers, **spec).ask_by_hand("one")
    world.settle()
    world.train(auc=0.9).settle()
    return world.later(minutes=5)


def test_without_an_edit_it_goes_on_as_before() -> None:
    assert planned(begin(weekly())) == [
        "This edit changes no setting.",
        "A run has the stages training (Job); then the gate judges by NonInferior, and what passes is handed to the "
        "rollout.",
        "Trigger weekly (schedule) fires next at 2026-11-22T03:00:00Z.",
        "The next pass reports Waiting: nothing is due.",
    ]


def test_an_edit_that_starts_a_run_names_the_run_that_begins() -> None:
    world = has_run(weekly())
    edit = {"stages": {"training": stage_spec(OTHER_IMAGE)}}
    said = planned(world, **edit)
    world.edit(**edit).settle()
    run = world.status["activeRun"]["id"]
    assert f"Run {run} begins with the next pass: runtime:{OTHER_IMAGE}." in said
    assert said[0] == "spec.stages.training.template.spec.containers[train].image: changed"


def test_another_schedule_fires_at_its_own_times_and_answers_nothing_of_the_past() -> None:
    world = begin(weekly()).later(days=1)
    edited = [{"name": "weekly", "schedule": {"cron": "0 6 * * *"}}]
    said = planned(world, triggers=edited)
    assert said[0] == "spec.triggers[weekly].schedule.cron: 0 3 * * 0 → 0 6 * * *"
    assert "Trigger weekly (schedule) fires next at 2026-11-22T06:00:00Z." in said
    assert said[-1] == "The next pass reports Waiting: nothing is due."
    world.edit(triggers=edited).settle()
    assert world.status["nextScheduled"] == "2026-11-22T06:00:00Z"
    assert world.made == []


@pytest.mark.parametrize(
    ("edit", "ending"),
    [
        ({"mode": "Recommend"}, "`kubectl viridian accept churn -n ml` starts it."),
        ({"approval": {"training": "Required"}}, "`kubectl viridian accept churn -n ml` starts it."),
        ({"mode": "Observe"}, f"so no run begins; in another mode it would: runtime:{OTHER_IMAGE}."),
        ({"suspend": True}, "Triggers are paused (Suspended): spec.suspend is true."),
        ({"budget": {"cooldown": "1h"}}, "waits until 2026-11-20T13:00:00Z: spec.budget.cooldown."),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_keeps_the_run_from_beginning(edit: dict[str, Any], ending: str) -> None:
    world = has_run()
    edit = {"stages": {"training": stage_spec(OTHER_IMAGE)}, **edit}
    said = planned(world, **edit)
    world.edit(**edit).settle()
    assert "activeRun" not in world.status
    assert any(ending in sentence for sentence in said), said


def test_an_edit_closes_the_circuit_breaker_as_the_operator_does() -> None:
    world = begin(
        circuitBreaker={"rejectedInARow": 1}, gate={"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.8}]}
    )
    world.ask_by_hand("one").settle()
    world.train(auc=0.5).settle()
    assert any(sentence.startswith("Triggers are paused (CircuitOpen)") for sentence in planned(world))
    edit = {"gate": {"rule": "Thresholds", "metrics": [{"name": "auc", "min": 0.4}]}}
    assert not any("CircuitOpen" in sentence for sentence in planned(world, **edit))
    world.edit(**edit).settle()
    assert [one["status"] for one in world.status["conditions"] if one["type"] == "Paused"] == ["False"]


def test_a_run_at_work_keeps_its_stages_and_is_cancelled_at_one_that_goes() -> None:
    stages = {name: stage_spec() for name in ("features", "training", "tests")}
    world = begin(stages=stages).ask_by_hand("one")
    world.settle()
    run = world.status["activeRun"]["id"]
    assert planned(world)[1:3] == [
        f"Run {run} is at work in its stage features, and goes on; triggers wait for its end.",
        "Its stages that have not begun take the new spec: training, tests.",
    ]
    edit = {"stages": {name: stages[name] for name in ("features", "training")}}
    assert "It is cancelled at its stage tests (Job), which the new spec does not have." in planned(world, **edit)
    world.edit(**edit).end(0).settle()
    world.train(auc=0.9).settle()
    assert world.last_run["outcome"] == "Cancelled"


def test_of_a_run_whose_object_is_gone_nothing_is_claimed() -> None:
    world = begin().ask_by_hand("one")
    world.settle()
    world.job_is_deleted(seen=False)
    assert planned(world)[-1].startswith("What the next pass does follows from MLflow and the collector")


def test_old_runs_that_would_go_are_named() -> None:
    world = has_run().ask_by_hand("two")
    world.settle()
    world.train(auc=0.9).settle()
    said, before = planned(world, history={"runs": 1}), {*world.records, *world.jobs}
    world.edit(history={"runs": 1}).settle()
    gone = before - {*world.records, *world.jobs}
    assert gone
    assert all(f"{name}" in said[-1] for name in gone)
    assert "delete ControllerRevision" in said[-1]


def test_a_new_policy_begins_with_what_its_annotation_asks_for() -> None:
    world = World()
    new = policy(weekly(), {"name": "kpi", "query": {"expression": "up", "max": 1}})
    new["metadata"] = {"name": "churn", "namespace": "ml", "annotations": {"viridian.dev/run": "first"}}
    said = list(policy_plan(None, new, world.deployment, world.now))
    assert said[:2] == ["ml/churn, RetrainPolicy:", "  The cluster does not have it yet."]
    assert "  Trigger kpi (query) asks Prometheus, which this command does not." in said
    assert said[-1] == "  A run begins with the next pass: manual:first."
    missing = list(policy_plan(None, new, None, world.now))
    assert missing[-1].startswith("  Nothing goes on (ModelDeploymentNotFound): there is no ModelDeployment churn")


def test_a_monitor_that_does_not_exist_and_one_that_has_fired() -> None:
    trigger = {"name": "drifted", "monitors": {"names": ["age"]}}
    world = begin(trigger)
    world.watch({"name": "age"}).later(hours=2).fire("age")
    assert any(sentence.startswith("Trigger drifted (monitors) has fired: age") for sentence in planned(world))
    other = [{"name": "drifted", "monitors": {"names": ["income"]}}]
    assert any(
        "does not fire: ModelDeployment churn has no monitor income" in one for one in planned(world, triggers=other)
    )


def test_a_spec_that_does_not_fit_is_a_sentence() -> None:
    with pytest.raises(UnusableFile, match="RetrainPolicy churn: spec: "):
        planned(begin(), history={"runs": "many"})
    new = policy(mode="Sometimes")
    with pytest.raises(UnusableFile, match="RetrainPolicy churn: spec: "):
        list(policy_plan(None, new, None, World().now))


def test_values_that_may_be_secret_are_not_shown() -> None:
    world = begin()
    container = {"name": "train", "image": "a", "env": [{"name": "KEY", "value": "planted-value"}]}
    said = planned(world, stages={"training": {"template": {"spec": {"containers": [container]}}}})
    assert "planted-value" not in "".join(said)

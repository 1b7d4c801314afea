"""P4 for a training run: killed at every write, there is one Job, one version, one hand-over, one rollout."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.churn import Churn
from tests.support.memory_cluster import Fault, Outcome
from tests.unit.conftest import KILLS
from tests.unit.properties.kills import Scenario, at_registry_write, at_write, undisturbed
from tests.unit.properties.test_killed_at_every_write import SHORT
from viridian.api.names import API_VERSION, RETRAIN_POLICY, RETRAIN_POLICY_LABEL, RUN_ANNOTATION, STAGES_ANNOTATION
from viridian.api.registry import TAG_HOLDOUT
from viridian.controller.keys import Key
from viridian.ports.cluster import Object
from viridian.retraining.stages.job_state import has_ended


def policy() -> Object:
    container = {"name": "train", "image": "ghcr.io/acme/churn-train:1.4"}
    return {
        "apiVersion": API_VERSION,
        "kind": RETRAIN_POLICY,
        "metadata": {"name": "churn", "namespace": "default"},
        "spec": {
            "modelDeployment": "churn",
            "triggers": [{"name": "weekly", "schedule": {"cron": "0 3 * * 0"}}],
            "stages": {"training": {"template": {"spec": {"containers": [container]}}}},
            "gate": {"metrics": [{"name": "auc", "min": 0.75}]},
        },
    }


def train(churn: Churn, job: Object) -> None:
    """What the trainer does in its container."""
    variables = {v["name"]: v.get("value") for v in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    run = str(variables["MLFLOW_RUN_ID"])
    churn.world.registry.log(run, metrics={"auc": 0.9}, tags={TAG_HOLDOUT: "sha256:h"}, model_uri=f"models:/m-{run}")


def a_policy(churn: Churn) -> None:
    churn.world.keys.append(Key(RETRAIN_POLICY, "default", "churn"))
    churn.apply(rollout=SHORT)
    churn.cluster.create(policy())
    said = json.dumps({"metrics": {"auc": 0.9}, "holdout": "sha256:h"})
    churn.cluster.outcomes["*"] = Outcome(0, said, after=5, effect=lambda job: train(churn, job))
    churn.world.run(5)


def a_run(churn: Churn) -> None:
    churn.cluster.annotate(RETRAIN_POLICY, "churn", **{RUN_ANNOTATION: "one"})
    assert churn.world.run(120, until=lambda: churn.champion == "1"), churn.world.story()


TRAINING = Scenario("training run", a_policy, a_run)


def second_run(churn: Churn) -> None:
    churn.cluster.annotate(RETRAIN_POLICY, "churn", **{RUN_ANNOTATION: "two"})
    assert churn.world.run(120, until=lambda: churn.champion == "2"), churn.world.story()


def jobs_made(churn: Churn) -> list[str]:
    """Every Job that there ever was, by uid; names in the order of their first sight."""
    seen: dict[str, str] = {}
    for world in churn.cluster.worlds:
        for reference, content in world.objects.items():
            if reference.kind == "Job":
                seen.setdefault(content["metadata"]["uid"], reference.name)
    return list(seen.values())


def assert_one_of_each(churn: Churn) -> None:
    assert len(jobs_made(churn)) == 1
    assert list(churn.world.registry.versions("churn")) == ["1"]
    assert len(churn.world.registry.runs()) == 1


@pytest.mark.parametrize("fault", [Fault.KILL_AFTER, Fault.KILL_BEFORE], ids=["answer lost", "write never arrived"])
def test_killed_at_every_write(fault: Fault, record_property: Callable[[str, object], None]) -> None:
    expected, writes = undisturbed(TRAINING)

    def killed(churn: Churn, k: int) -> None:
        at_write(churn, k, fault)
        assert TRAINING.tell(churn) == expected, f"killed at write {k}"
        assert churn.world.restarts == 1
        assert_one_of_each(churn)

    TRAINING.for_each(writes.deaths(fault), killed)
    record_property(KILLS, f"training run: {len(writes.deaths(fault))} of {writes.cluster} ks ({fault.value})")


def test_killed_after_every_write_to_the_registry(record_property: Callable[[str, object], None]) -> None:
    expected, writes = undisturbed(TRAINING)
    assert writes.registry > 5

    def killed(churn: Churn, k: int) -> None:
        at_registry_write(churn, k)
        assert TRAINING.tell(churn) == expected, f"killed after registry write {k}"
        assert churn.world.restarts == 1
        assert_one_of_each(churn)

    TRAINING.for_each(range(1, writes.registry + 1), killed)
    record_property(KILLS, f"training run: {writes.registry} ks (after a write to the registry)")


def wipe_both(churn: Churn) -> None:
    """Someone deletes the whole status of the policy, and that of the ModelDeployment."""
    churn.wipe_status()
    churn.cluster.edit(RETRAIN_POLICY, "churn", lambda found: found.update(status={}))


def test_the_status_is_deleted_at_every_write(record_property: Callable[[str, object], None]) -> None:
    """Killed, and before the next process looks, nothing is left of what the operator noted for people."""
    expected, writes = undisturbed(TRAINING)

    def deleted(churn: Churn, k: int) -> None:
        at_write(churn, k, Fault.KILL_BEFORE, then=wipe_both)
        assert TRAINING.tell(churn) == expected, f"status deleted at write {k}"
        assert_one_of_each(churn)

    TRAINING.for_each(range(1, writes.cluster + 1), deleted)
    record_property(KILLS, f"training run: {writes.cluster} ks (killed, and the whole status deleted)")


# ---- a janitor


def bad_data(churn: Churn) -> None:
    """Training finds the data not good enough: schedules wait from now on."""
    churn.cluster.outcomes["*"] = Outcome(64, json.dumps({"failures": ["age is empty"]}), after=5)
    churn.cluster.annotate(RETRAIN_POLICY, "churn", **{RUN_ANNOTATION: "one"})
    assert churn.world.run(120, until=lambda: last_outcome(churn) == "DataQualityFailed"), churn.world.story()


def last_outcome(churn: Churn) -> str:
    found = churn.cluster.find(RETRAIN_POLICY, "churn") or {}
    return str(found.get("status", {}).get("lastRun", {}).get("outcome", ""))


def a_policy_that_is_often_due(churn: Churn) -> None:
    often = [{"name": "often", "schedule": {"cron": "* * * * *"}}]
    a_policy(churn)
    churn.cluster.edit(RETRAIN_POLICY, "churn", lambda found: found["spec"].update(triggers=often))
    churn.world.run(5)


BAD_DATA = Scenario("run with bad data", a_policy_that_is_often_due, bad_data, settle=120.0)


def janitor(churn: Churn) -> None:
    """Deletes finished Jobs, as a TTL would, and takes the owner references off the records of runs."""
    remove_finished_jobs(churn)
    for record in churn.cluster.all("ControllerRevision", {RETRAIN_POLICY_LABEL: "churn"}):
        churn.cluster.edit(
            "ControllerRevision", record["metadata"]["name"], lambda found: found["metadata"].update(ownerReferences=[])
        )


def remove_finished_jobs(churn: Churn) -> None:
    for job in churn.cluster.all("Job"):
        if has_ended(job):
            churn.cluster.remove("Job", job["metadata"]["name"])
            churn.cluster.collect_garbage()


def remembered(end: dict[str, Any]) -> dict[str, Any]:
    """The end without the Jobs, and without how it became known how they had ended."""
    kept = {name: content for name, content in end.items() if not name.startswith("Job ")}
    for name, content in kept.items():
        if name.startswith("ControllerRevision "):
            content["metadata"].get("annotations", {}).pop(STAGES_ANNOTATION, None)
    return kept


@pytest.mark.parametrize(
    ("scenario", "fault"),
    [
        (TRAINING, Fault.KILL_AFTER),
        (TRAINING, Fault.KILL_BEFORE),
        # Killed before its note is written, nobody alive has seen the exit code: only MLflow could tell of that.
        (BAD_DATA, Fault.KILL_AFTER),
    ],
    ids=["training, answer lost", "training, write never arrived", "bad data, answer lost"],
)
def test_a_janitor_comes_at_every_write(
    scenario: Scenario, fault: Fault, record_property: Callable[[str, object], None]
) -> None:
    """The operator dies, the janitor comes, and the status goes too: what was decided stays decided."""
    expected, writes = undisturbed(scenario)

    def visited(churn: Churn, k: int) -> None:
        at_write(churn, k, fault, then=janitor_and_no_status)
        assert remembered(scenario.tell(churn)) == remembered(expected), f"a janitor at write {k}"
        assert len(jobs_made(churn)) == 1
        assert len(churn.world.registry.runs()) == 1

    scenario.for_each(range(1, writes.cluster + 1), visited)
    record_property(KILLS, f"{scenario.name}: {writes.cluster} ks (a janitor, the status deleted, {fault.value})")


def janitor_and_no_status(churn: Churn) -> None:
    janitor(churn)
    churn.cluster.edit(RETRAIN_POLICY, "churn", lambda found: found.update(status={}))


@pytest.mark.parametrize("scenario", [TRAINING, BAD_DATA], ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_a_janitor_that_never_rests(scenario: Scenario) -> None:
    """Every Job is gone before the operator can look at how it ended: a TTL of 0 on all Jobs."""
    expected, _ = undisturbed(scenario)
    with scenario.begun() as churn:
        churn.cluster.before_call = lambda call: remove_finished_jobs(churn) if call.kind == "Job" else None
        assert remembered(scenario.tell(churn)) == remembered(expected)
        assert churn.cluster.all("Job") == []
        assert len(jobs_made(churn)) == 1


def test_two_causes_make_two_jobs_and_two_versions() -> None:
    with TRAINING.begun() as churn:
        a_run(churn)
        second_run(churn)
        churn.world.run(60)
        churn.world.rest(resyncs=1)
        made = jobs_made(churn)
        assert len(made) == len(set(made)) == 2
        assert list(churn.world.registry.versions("churn")) == ["1", "2"]

"""The trail of an object: one entry for each change, in the cluster and in MLflow, whatever dies in between."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.support.churn import NAME
from tests.support.churn import manifest as churn_manifest
from tests.support.cluster.faults import Fault
from tests.support.memory_cluster import Killed
from tests.support.operator_world import OperatorWorld
from tests.support.snapshots import outcome, record, revision
from tests.unit.conftest import KILLS
from viridian.api import reasons
from viridian.api.names import (
    MODEL_DEPLOYMENT,
    MONITORING_ANNOTATION,
    NOTE_ANNOTATION,
    OUTCOME_ANNOTATION,
    TRAIL_ANNOTATION,
    revision_record,
    trail_journal,
)
from viridian.rollout import records


class Stage:
    """The ModelDeployment `churn` with a record of its champion, and the reconciler of trails alone."""

    def __init__(self, world: OperatorWorld) -> None:
        self.world, self.cluster, self.registry = world, world.cluster, world.registry
        self.uid = str(self.cluster.create(churn_manifest(monitoring={"recoverWithin": "14d"}))["metadata"]["uid"])
        ready = {
            "type": reasons.READY,
            "status": "True",
            "reason": "Serving",
            "lastTransitionTime": "2026-01-05T12:00:00Z",
        }
        self.cluster.edit(MODEL_DEPLOYMENT, NAME, lambda found: found.update(status={"conditions": [ready]}))
        made = json.loads(json.dumps(record("1").manifest).replace("churn-uid", self.uid))
        made["metadata"].pop("uid", None)
        self.cluster.create(made)

    def look(self, passes: int = 6) -> None:
        for _ in range(passes):
            self.world.look("trail")
            self.world.clock.advance(20)

    def edit(self, weight: int) -> None:
        def change(found: Any) -> None:
            found["spec"]["rollout"]["steps"][0]["weight"] = weight

        self.cluster.edit(MODEL_DEPLOYMENT, NAME, change)

    def note_on_record(self, annotation: str, value: str) -> None:
        self.cluster.annotate("ControllerRevision", revision_record(NAME, revision("1")), **{annotation: value})

    def fire(self, verdict: str, end: str) -> None:
        """The window that ended then was judged."""
        monitors = [{"name": "inputs", "verdict": verdict, "message": "age has moved"}]
        results = {"revision": revision("1"), "start": "2026-01-05T00:00:00Z", "end": end, "monitors": monitors}
        self.note_on_record(MONITORING_ANNOTATION, json.dumps(results))

    @property
    def journal(self) -> Any:
        return self.cluster.find("ControllerRevision", trail_journal(NAME, self.uid))

    @property
    def status(self) -> Any:
        return (self.cluster.find(MODEL_DEPLOYMENT, NAME) or {}).get("status") or {}

    def entries(self) -> list[dict[str, Any]]:
        """What MLflow has, in the order of time."""
        tags = {name: value for page in self.registry.trails().values() for name, value in page.items()}
        return [json.loads(tags[name]) for name in sorted(tags)]

    def words(self) -> Counter[str]:
        return Counter(entry["what"] for entry in self.entries())


@pytest.fixture
def stage() -> Iterator[Stage]:
    with closing(OperatorWorld()) as world:
        yield Stage(world)


def a_life(stage: Stage) -> None:
    """An edit, a promotion, an incident with a note, another edit."""
    stage.look()
    stage.edit(10)
    stage.look()
    stage.note_on_record(OUTCOME_ANNOTATION, records.dump((outcome(reasons.PROMOTED, 100, by="anna"),)))
    stage.look()
    stage.fire("Fired", "2026-01-05T13:00:00Z")
    stage.look()
    incident = stage.status["incidents"][0]["id"]
    stage.cluster.annotate(MODEL_DEPLOYMENT, NAME, **{NOTE_ANNOTATION: f"{incident} a holiday#anna"})
    stage.look()
    stage.fire("Quiet", "2026-01-05T14:00:00Z")
    stage.edit(20)
    stage.look()


WHOLE = Counter(
    {
        reasons.CREATED: 1,
        reasons.SPEC_CHANGED: 2,
        reasons.PROMOTED: 1,
        reasons.INCIDENT_BEGAN: 1,
        reasons.INCIDENT_NOTED: 1,
        reasons.INCIDENT_RECOVERED: 1,
    }
)


def test_every_change_is_one_entry_with_author_and_difference(stage: Stage) -> None:
    a_life(stage)
    assert stage.words() == WHOLE
    by_what = {entry["what"]: entry for entry in stage.entries()}
    assert by_what[reasons.SPEC_CHANGED]["changed"] == ["rollout.steps[0].weight: 10 → 20"]
    assert (by_what[reasons.PROMOTED]["by"], by_what[reasons.INCIDENT_NOTED]["by"]) == ("anna", "anna")
    newest, older, first = stage.status["revisions"]
    assert [one["number"] for one in (newest, older, first)] == [3, 2, 1]
    assert (older["by"], older["changed"]) == ("kubectl-edit", ["rollout.steps[0].weight: 25 → 10"])
    (incident,) = stage.status["incidents"]
    assert (incident["seconds"], incident["note"]["text"]) == (3600, "a holiday")


def test_an_object_whose_status_nobody_can_write_has_a_trail_all_the_same(stage: Stage) -> None:
    stage.cluster.edit(MODEL_DEPLOYMENT, NAME, lambda found: found.pop("status"))
    stage.look(1)
    assert stage.journal is None, "first it becomes ready"
    stage.look()
    assert stage.words() == Counter({reasons.CREATED: 1})


def test_at_rest_nothing_is_written_or_asked(stage: Stage) -> None:
    a_life(stage)
    stage.cluster.forget_calls()
    stage.registry.calls.clear()
    stage.look()
    assert (list(stage.cluster.writes), dict(stage.registry.calls)) == ([], {})


def test_the_status_is_a_copy(stage: Stage) -> None:
    a_life(stage)
    before = {name: value for name, value in stage.status.items() if name != "conditions"}
    stage.cluster.edit(MODEL_DEPLOYMENT, NAME, lambda found: found["status"].pop("revisions"))
    stage.look()
    assert {name: value for name, value in stage.status.items() if name != "conditions"} == before
    assert stage.words() == WHOLE


def test_killed_at_every_write_there_is_neither_a_gap_nor_a_double(
    record_property: Callable[[str, object], None],
) -> None:
    with closing(OperatorWorld()) as world:
        stage = Stage(world)
        stage.cluster.forget_calls()
        a_life(stage)
        cluster, registry = len(stage.cluster.writes), len(stage.registry.writes)
    for k in range(1, cluster + 1):
        for fault in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            with closing(OperatorWorld()) as world:
                stage = Stage(world)
                seen = 0

                def strikes(call: Any, at: int = k) -> bool:
                    nonlocal seen
                    seen += call.mutating and world.in_pass
                    return bool(seen == at and call.mutating)

                stage.cluster.faults.on(strikes, fault)
                a_life(stage)
                assert stage.words() == WHOLE, f"killed at write {k}"
    for k in range(1, registry + 1):
        with closing(OperatorWorld()) as world:
            stage = Stage(world)
            left = k

            def strike(_: str) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    raise Killed("the operator died after the registry's write took effect")

            stage.registry.after_write = strike
            a_life(stage)
            assert stage.words() == WHOLE, f"killed after write {k} to the registry"
    record_property(KILLS, f"trail: {2 * cluster} ks, and {registry} after a write to the registry")


def test_without_mlflow_entries_wait_and_nobody_loses_them(stage: Stage) -> None:
    stage.registry.unavailable = True
    for weight in range(1, 20):
        stage.edit(weight)
        stage.look(1)
    assert stage.words() == Counter()
    condition = next(one for one in stage.status["conditions"] if one["type"] == reasons.TRAIL_SYNCED)
    assert (condition["status"], condition["reason"]) == ("False", reasons.REGISTRY_UNAVAILABLE)
    assert len(stage.status["revisions"]) == 10
    stage.registry.unavailable = False
    stage.look()
    assert stage.words() == Counter({reasons.CREATED: 1, reasons.SPEC_CHANGED: 18})
    assert not [one for one in stage.status.get("conditions", ()) if one["type"] == reasons.TRAIL_SYNCED]


def test_entries_outlive_an_object_that_is_deleted_while_mlflow_is_away(stage: Stage) -> None:
    stage.look()
    stage.registry.unavailable = True
    stage.edit(10)
    stage.look(2)
    stage.cluster.remove(MODEL_DEPLOYMENT, NAME)
    stage.cluster.collect_garbage()
    assert stage.journal is not None, "it belongs to nobody while something waits"
    stage.look(2)
    stage.world.restart()
    stage.registry.unavailable = False
    stage.look()
    assert stage.words() == Counter({reasons.CREATED: 1, reasons.SPEC_CHANGED: 1})
    assert stage.journal is None


def test_a_journal_that_mlflow_has_goes_with_its_object(stage: Stage) -> None:
    a_life(stage)
    stage.cluster.remove(MODEL_DEPLOYMENT, NAME)
    stage.cluster.collect_garbage()
    assert stage.journal is None
    assert stage.words() == WHOLE


def test_a_journal_that_somebody_deletes_doubles_nothing(stage: Stage) -> None:
    stage.look()
    stage.note_on_record(OUTCOME_ANNOTATION, records.dump((outcome(reasons.PROMOTED, 100),)))
    stage.edit(10)
    stage.look()
    stage.cluster.remove("ControllerRevision", trail_journal(NAME, stage.uid))
    stage.look()
    assert stage.words() == Counter({reasons.CREATED: 2, reasons.SPEC_CHANGED: 1, reasons.PROMOTED: 1})
    assert [entry["message"].rpartition(" ")[2] for entry in stage.entries() if entry["what"] == reasons.CREATED] == [
        "made",
        "2",
    ]


def test_an_incident_that_lasts_too_long_is_overdue(stage: Stage) -> None:
    stage.fire("Fired", "2026-01-05T13:00:00Z")
    stage.look()

    def overdue() -> str:
        found = (one for one in stage.status["conditions"] if one["type"] == reasons.RECOVERY_OVERDUE)
        return next(f"{one['status']} {one['reason']}" for one in found)

    assert overdue() == "False RecoveredInTime"
    stage.world.clock.advance(15 * 86400)
    stage.look()
    assert overdue() == "True RecoveryTooLate"
    assert [reason for _, reason, _ in stage.cluster.events()].count(reasons.EVENT_RECOVERY_OVERDUE) == 1
    stage.fire("Quiet", "2026-01-21T13:00:00Z")
    stage.look()
    assert overdue() == "False RecoveredInTime"


def test_what_cannot_be_read_of_a_journal_is_begun_anew(stage: Stage) -> None:
    stage.look()
    stage.cluster.annotate("ControllerRevision", trail_journal(NAME, stage.uid), **{TRAIL_ANNOTATION: "{"})
    stage.look()
    assert stage.words() == Counter({reasons.CREATED: 1})

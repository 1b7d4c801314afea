"""A run is a list of stages, each done by an object of a kind: the record has the list, and a note for each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import viridian.retraining
from tests.unit.retraining.world import World, policy, stage_spec, weekly
from viridian.api.names import RUN_ANNOTATION, STAGES_ANNOTATION
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.run_stages import Stages
from viridian.api.stage import StageName
from viridian.retraining.records import RunRecord, StageNote, dump_notes, read_records
from viridian.retraining.runs import Run, RunStage, open_stages
from viridian.retraining.stages.stage_table import STAGE_KINDS, stages_of
from viridian.retraining.stages.state import StageOutcome, StageResult

OLD_RECORD: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "ControllerRevision",
    "metadata": {
        "name": "churn-1a2b3c4d",
        "namespace": "ml",
        "uid": "record-1",
        "creationTimestamp": "2026-11-22T03:00:01Z",
        "labels": {
            "viridian.dev/retrain-policy": "churn",
            "viridian.dev/run": "1a2b3c4d",
            "app.kubernetes.io/managed-by": "viridian",
        },
        "ownerReferences": [{"apiVersion": "viridian.dev/v1alpha1", "kind": "RetrainPolicy", "uid": "policy-1"}],
        "annotations": {
            STAGES_ANNOTATION: (
                '{"training":{"job":"churn-1a2b3c4d-training","mlflowRun":"r1","joined":[{"source":"manual","value":'
                '"one"}],"champion":"3","data":{"uri":"s3://data","revision":"2"},"waiting":"its image is missing",'
                '"ending":{"state":"Failed","at":"2026-11-22T03:10:00Z","reason":"PodFailurePolicy","message":"m",'
                '"exitCode":64,"said":"age is empty","failures":1,"killed":"OOMKilled","lingering":"proxy"}}}'
            )
        },
    },
    "revision": 7,
    "data": {
        "policy": {"uid": "policy-1"},
        "causes": [
            {"source": "schedule", "trigger": "weekly", "at": "2026-11-22T03:00:00Z", "schedule": "0 3 * * 0 UTC"}
        ],
        "champion": "2",
        "data": {"uri": "s3://data", "revision": "1"},
        "image": "img:1",
    },
}
"""As the release before this one wrote it."""


def old() -> RunRecord:
    (found,) = read_records([OLD_RECORD], "policy-1")
    return found


def test_a_record_of_an_older_release_is_read_whole() -> None:
    record = old()
    assert record.origin.stages == {"training": "Job"}
    assert [cause.identity for cause in record.origin.causes] == ["schedule:weekly:2026-11-22T03:00:00Z"]
    assert record.origin.causes[0].key == "0 3 * * 0 UTC"
    note = record.notes["training"]
    assert (note.seen, note.mlflow_run, note.champion, note.waiting) == (
        "churn-1a2b3c4d-training", "r1", "3", "its image is missing",
    )  # fmt: skip
    assert note.joined == ({"source": "manual", "value": "one"},)
    assert note.result == StageResult(
        outcome=StageOutcome.FAILED, at="2026-11-22T03:10:00Z", reason="PodFailurePolicy", message="m", exit_code=64,
        termination_message="age is empty", failures=1, killed="OOMKilled", lingering="proxy",
    )  # fmt: skip


def test_notes_are_written_as_the_older_release_reads_them() -> None:
    written = json.loads(dump_notes(old().notes)[STAGES_ANNOTATION])
    assert written == json.loads(OLD_RECORD["metadata"]["annotations"][STAGES_ANNOTATION])


def test_a_run_that_an_older_release_began_goes_on() -> None:
    """Its record says nothing of stages or keys, and its Job carries the origin as it was written then."""
    world = World(policy=policy(weekly()))
    world.settle()
    world.at("2026-11-22T03:00:30Z").settle()
    (record,) = world.runs
    del record["data"]["stages"]
    for cause in record["data"]["causes"]:
        cause["schedule"] = cause.pop("key")
    world.job["metadata"]["annotations"]["viridian.dev/trigger"] = json.dumps(record["data"])
    world.train(auc=0.9).settle()
    assert world.last_run["outcome"] == "HandedOver"
    world.later(hours=1).settle()
    assert len(world.made) == 1


def test_every_stage_of_the_api_is_a_stage_of_a_run() -> None:
    world = World(policy=policy())
    world.policy["spec"]["stages"] = dict.fromkeys(Stages.__struct_encode_fields__, stage_spec())
    spec = world.observe().facts.spec
    assert isinstance(spec, RetrainPolicySpec)
    assert list(stages_of(spec)) == list(Stages.__struct_encode_fields__) == [name.value for name in StageName]


def stage(name: str, outcome: StageOutcome | None) -> RunStage:
    kind = STAGE_KINDS["Job"]
    note = StageNote(result=StageResult(outcome=outcome) if outcome else None)
    return RunStage(name=name, kind=kind, object_name=kind.name("churn", "r", name), note=note)


def test_stages_follow_one_another_and_the_first_that_does_not_end_well_ends_the_run() -> None:
    well, badly = StageOutcome.COMPLETE, StageOutcome.FAILED
    cases = {(None, None): "a", (well, None): "b", (badly, None): "a", (well, badly): "b", (well, well): "b"}
    for (first, second), current in cases.items():
        run = Run(record=old(), stages=(stage("a", first), stage("b", second)))
        assert run.stage.name == current
        assert (run.result is None) == (None in (first, second) and first is not badly)


def test_where_a_later_stage_has_begun_those_before_it_have_ended() -> None:
    """Its record was lost with the notes, and made again from the Job of the later stage."""
    begun = replace(stage("b", None), note=StageNote(seen="b"))
    run = Run(record=old(), stages=(stage("a", None), begun, stage("c", None)))
    assert run.stage.name == "b"


def test_each_stage_of_a_record_is_looked_for_by_its_own_name() -> None:
    record = {**OLD_RECORD, "metadata": {**OLD_RECORD["metadata"], "annotations": {}}}
    record["data"] = {
        **record["data"],
        "stages": [{"name": "features", "kind": "Job"}, {"name": "x", "kind": "Unknown"}],
    }
    found = open_stages({"metadata": {"name": "churn", "uid": "policy-1"}}, [record])
    assert [one.object_name for one in found] == ["churn-1a2b3c4d-features"], "a kind of a newer release is left out"


def test_a_stage_that_the_policy_has_no_more_cancels_a_run_that_has_not_begun() -> None:
    world = World(policy=policy())
    world.policy["metadata"]["annotations"][RUN_ANNOTATION] = "one"
    world.once()
    (record,) = world.runs
    record["data"]["stages"] = [{"name": "features", "kind": "Job"}]
    world.settle()
    assert world.made == []
    (outcome,) = world.outcomes().values()
    assert outcome["outcome"] == "Cancelled"


def test_nothing_but_the_room_of_stages_knows_what_kind_of_object_does_the_work() -> None:
    sources = Path(viridian.retraining.__file__).parent.rglob("*.py")
    outside = [path for path in sources if path.parent.name != "stages"]
    assert len(outside) > 20
    assert [path.name for path in outside if "batch/v1" in path.read_text() or '"Job"' in path.read_text()] == []

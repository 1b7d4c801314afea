"""The PersistentVolumeClaim of a run: made before its first stage, owned by its record, and gone with that."""

from __future__ import annotations

import json
from collections.abc import Iterator

from viridian.api.address import variable
from viridian.api.names import RUN_LABEL, run_claim
from viridian.core.intent import with_intent_hash
from viridian.core.lookup import entries, text
from viridian.core.plan import Apply, Manifest, Target
from viridian.retraining.records import labels
from viridian.retraining.runs import Run
from viridian.retraining.stages.run_volumes import CHECKPOINT_DIR, IN_DIR, RunVolumes, claim_manifest
from viridian.retraining.state import RetrainingState


def claims_to_make(state: RetrainingState, run: Run) -> Iterator[Apply]:
    """The claim of the run, where it has one that is not there yet. What follows in the plan needs it."""
    storage = run.record.origin.storage
    if storage is None or has_claim(state, run.id):
        return
    record = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "name": run.record.name, "uid": run.record.uid}
    metadata = {
        "name": run_claim(state.facts.name, run.id),
        "namespace": state.facts.namespace,
        "labels": labels(state.facts.name, **{RUN_LABEL: run.id}),
        "ownerReferences": [{**record, "controller": True}],
    }
    yield Apply(with_intent_hash(claim_manifest(metadata, storage)), presumed=True)


def is_refused(state: RetrainingState, claims: tuple[Apply, ...]) -> bool:
    """Whether one of these claims could not be made so far: then no pod is to wait for it."""
    targets: list[Target] = [claim.target for claim in claims]
    return any(target in state.facts.obstacles for target in targets)


def has_claim(state: RetrainingState, run_id: str) -> bool:
    """Whether the volume of that run is there: of the run itself, not of an earlier one of the same id."""
    record = next((run.record for run in state.runs if run.id == run_id), None)
    name = run_claim(state.facts.name, run_id)
    return record is not None and any(
        text(claim, "metadata", "name") == name
        and not text(claim, "metadata", "deletionTimestamp")
        and any(owner.get("uid") == record.uid for owner in entries(claim, "metadata", "ownerReferences"))
        for claim in state.facts.claims
    )


def handed_over(run: Run) -> tuple[Manifest, ...]:
    """The variables of the stage that the run is in: where it finds what other stages and attempts left."""
    has_volume, earlier = run.record.origin.storage is not None, run.before(run.stage)
    values = {
        "VIRIDIAN_IN_DIR": IN_DIR if has_volume and earlier else "",
        "VIRIDIAN_CHECKPOINT_DIR": CHECKPOINT_DIR if has_volume else "",
        "VIRIDIAN_STAGE_RUNS": json.dumps({stage.name: run.worked_in(stage) for stage in earlier}),
    }
    return tuple(variable(name, value, secret=None) for name, value in values.items())


def volumes_of(state: RetrainingState, run: Run) -> RunVolumes | None:
    """What the pod of the stage mounts that the run is in; None for a run without a volume."""
    if run.record.origin.storage is None:
        return None
    name = state.facts.name
    return RunVolumes(
        stage=run.stage.name,
        claim=run_claim(name, run.id),
        inputs={stage.name: run_claim(name, run.worked_in(stage)) for stage in run.before(run.stage)},
    )

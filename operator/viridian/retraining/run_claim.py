"""The PersistentVolumeClaim of a run: made before its first stage, and deleted before its record."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from viridian.api.address import variable
from viridian.api.names import RETRAIN_POLICY, RUN_LABEL, run_claim
from viridian.core.intent import with_intent_hash
from viridian.core.lookup import Object, labels_of, text
from viridian.core.ownership import Belongs, belongs, owned_metadata
from viridian.core.plan import Apply, Delete, Manifest, Target
from viridian.retraining.records import labels
from viridian.retraining.runs import Run
from viridian.retraining.stages.run_volumes import CHECKPOINT_DIR, IN_DIR, RunVolumes, claim_manifest
from viridian.retraining.state import RetrainingState


def claims_to_make(state: RetrainingState, run: Run) -> Iterator[Apply]:
    """The claim of the run, where it has one that is not there yet. What follows in the plan needs it."""
    storage = run.record.origin.storage
    if storage is None or has_claim(state, run.id):
        return
    own = labels(state.facts.name, **{RUN_LABEL: run.id})
    metadata = owned_metadata(state.facts, RETRAIN_POLICY, run_claim(state.facts.name, run.id), own)
    yield Apply(with_intent_hash(claim_manifest(metadata, storage)), presumed=True)


def is_refused(state: RetrainingState, claims: tuple[Apply, ...]) -> bool:
    """Whether one of these claims could not be made so far: then no pod is to wait for it."""
    targets: list[Target] = [claim.target for claim in claims]
    return any(target in state.facts.obstacles for target in targets)


def claim_target(state: RetrainingState, run: Run) -> Target:
    return "PersistentVolumeClaim", run_claim(state.facts.name, run.id)


def has_claim(state: RetrainingState, run_id: str) -> bool:
    """Whether the volume of that run is there."""
    name = run_claim(state.facts.name, run_id)
    return any(text(claim, "metadata", "name") == name for claim in _claims(state))


def claims_to_delete(state: RetrainingState, old: Collection[str]) -> Iterator[Delete]:
    """The claims of these runs, and of runs that nothing shows any more."""
    known = {run.id for run in state.runs} | {run for run, _ in state.unrecorded}
    for claim in _claims(state):
        run = labels_of(claim).get(RUN_LABEL, "")
        if run in old or run not in known:
            name, uid = text(claim, "metadata", "name"), text(claim, "metadata", "uid")
            yield Delete("v1", "PersistentVolumeClaim", name, uid)


def _claims(state: RetrainingState) -> Iterator[Object]:
    """Those of this very policy that nobody has deleted."""
    for claim in state.facts.claims:
        if belongs(claim, state.facts.uid) is Belongs.OURS and not text(claim, "metadata", "deletionTimestamp"):
            yield claim


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

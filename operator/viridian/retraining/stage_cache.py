"""Whether a stage has to run: where all that it works on is as it was in an earlier run, its result of then counts.

Only stages before training are looked up. A stage works on the data, its template with image and parameters, the frozen
rows, the definitions of label and features, and what the stages before it made. Whatever cannot be known not to have
changed, such as data without a revision, makes it run. What it handed over must still be there.
"""

from __future__ import annotations

import json

from viridian.api.feedback import FrozenRows
from viridian.api.names import short_hash
from viridian.api.run_stages import DataValidation, PreparingStage, Stage
from viridian.api.stage import RESOLVER_STAGE
from viridian.retraining.checks import named_features
from viridian.retraining.records import RunOrigin
from viridian.retraining.run_claim import has_claim
from viridian.retraining.runs import Run
from viridian.retraining.stages.built_in import work_of
from viridian.retraining.stages.state import StageResult
from viridian.retraining.state import RetrainingState


def inputs_of(state: RetrainingState, run: Run, spec: Stage, origin: RunOrigin, rows: FrozenRows | None) -> str:
    """All that the stage works on that the run is in, as one hash; empty where that cannot be known."""
    state_of_data = origin.resolved.content if origin.resolved is not None else origin.data.revision
    if not isinstance(spec, PreparingStage) or not state_of_data or _depends_on_the_clock(spec):
        return ""
    earlier = [stage for stage in run.before(run.stage) if stage.name != RESOLVER_STAGE]
    made_by = {stage.name: run.worked_in(stage) if origin.storage else stage.note.inputs for stage in earlier}
    parts = {
        "stage": run.stage.name,
        "data": [origin.data.uri, state_of_data],
        "rows": rows.digest if rows else "",
        "label": run.label_definition,
        "template": work_of(run.stage.name, spec, state.facts.settings.trainer_image),
        "earlier": made_by,
        "hands over": origin.storage is not None,
    }
    if (features := named_features(state.facts)) is not None:
        parts["features"] = [features.ref, features.digest]
    return short_hash(json.dumps(parts, sort_keys=True), length=16)


def _depends_on_the_clock(spec: PreparingStage) -> bool:
    """Data that was fresh when it was looked at grows old without a change."""
    return isinstance(spec, DataValidation) and any(check.freshness is not None for check in spec.checks)


def earlier_result(state: RetrainingState, run: Run, spec: Stage, inputs: str) -> tuple[str, StageResult] | None:
    """The newest good result of the stage on the same inputs, and the run in which it worked; None without one."""
    if not inputs or not isinstance(spec, PreparingStage) or not spec.cache:
        return None
    for known in state.finished:
        stage = known.named(run.stage.name)
        if stage is None or stage.result is None or stage.note.inputs != inputs or not stage.leads_on:
            continue
        worked_in, hands_over = known.worked_in(stage), run.record.origin.storage is not None
        if not stage.result.lost and (not hands_over or has_claim(state, worked_in)):
            return worked_in, stage.result
    return None

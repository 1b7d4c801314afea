"""What a run begins with, and the object that does the work of its stage."""

from __future__ import annotations

import json
from dataclasses import replace

from viridian.api.feedback import FrozenRows
from viridian.api.names import RETRAIN_POLICY, RUN_LABEL, STAGE_LABEL, TRIGGER_ANNOTATION
from viridian.api.run_stages import Stage
from viridian.core.lookup import entries, text
from viridian.core.ownership import owned_metadata
from viridian.core.plan import Manifest
from viridian.retraining.environment import environment
from viridian.retraining.records import RunOrigin, data_shown, dump_origin, labels
from viridian.retraining.runs import Run
from viridian.retraining.stages.pod_template import PodNeeds
from viridian.retraining.stages.stage_kind import StageWork
from viridian.retraining.stages.stage_table import planned_stages, stages_of
from viridian.retraining.state import RetrainingState
from viridian.retraining.triggers.cause import Cause


def origin_now(state: RetrainingState, causes: tuple[Cause, ...]) -> RunOrigin:
    """What a run that begins now works on."""
    deployment, stages = state.facts.deployment, stages_of(state.spec)
    images = (entries(stage.template, "spec", "containers") for stage in stages.values())
    return RunOrigin(
        causes=causes,
        champion=deployment.champion_version if deployment else "",
        data=data_shown(state.spec),
        image=next((text(containers[0], "image") for containers in images if containers), ""),
        stages=planned_stages(state.spec),
    )


def origin_at_launch(state: RetrainingState, run: Run, mlflow_run: str) -> RunOrigin:
    """What a stage of the run works on that begins now: what waits for a run since its record was made joins it."""
    causes = tuple(dict.fromkeys([*run.origin.causes, *state.pending]))
    return replace(origin_now(state, causes), mlflow_run=mlflow_run, stages=run.record.origin.stages)


def stage_object(state: RetrainingState, run: Run, spec: Stage, origin: RunOrigin, rows: FrozenRows | None) -> Manifest:
    """The whole intent of the object that does the work of the stage that the run is in. It is applied once."""
    facts, stage = state.facts, run.stage
    own = labels(facts.name, **{RUN_LABEL: run.id, STAGE_LABEL: stage.name})
    metadata = owned_metadata(facts, RETRAIN_POLICY, stage.object_name, own)
    metadata["annotations"] = {TRIGGER_ANNOTATION: json.dumps(dump_origin(origin), ensure_ascii=False)}
    needs = PodNeeds(
        labels=own,
        variables=environment(state, run.id, stage.name, origin, rows),
        pull_secrets=facts.settings.image_pull_secrets,
        reads_collector=rows is not None,
    )
    return stage.kind.manifest(StageWork(stage=spec, metadata=metadata, pod=needs))

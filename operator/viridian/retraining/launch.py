"""What a run begins with, and the object that does the work of its stage."""

from __future__ import annotations

import json
from dataclasses import replace

from viridian.api.feedback import FrozenRows
from viridian.api.names import RETRAIN_POLICY, RUN_LABEL, SPOT_LABEL, STAGE_LABEL, TRIGGER_ANNOTATION
from viridian.api.objective import Objective
from viridian.api.run_stages import Stage
from viridian.core.ownership import owned_metadata
from viridian.core.plan import Manifest
from viridian.retraining.environment import environment
from viridian.retraining.records import RunOrigin, data_shown, dump_origin, labels
from viridian.retraining.run_claim import handed_over, volumes_of
from viridian.retraining.runs import Run
from viridian.retraining.stages.built_in import template_of
from viridian.retraining.stages.pod_template import PodNeeds
from viridian.retraining.stages.stage_kind import StageWork
from viridian.retraining.stages.stage_table import planned_stages
from viridian.retraining.state import RetrainingState
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.edits import serving_image, training_image


def origin_now(state: RetrainingState, causes: tuple[Cause, ...]) -> RunOrigin:
    """What a run that begins now works on."""
    return RunOrigin(
        causes=causes,
        champion=_champion_now(state),
        data=data_shown(state.spec),
        image=training_image(state.spec),
        server=serving_image(state.facts),
        stages=planned_stages(state.spec),
        storage=state.spec.storage,
        generation=state.facts.generation,
        objective=state.spec.objective or Objective(),
    )


def origin_at_launch(state: RetrainingState, run: Run, mlflow_run: str) -> RunOrigin:
    """What a stage of the run works on that begins now.

    What waits for a run since its record was made joins it with the first stage, which also takes the data of that
    moment. All later stages work for the same causes on the same data; the champion is the one that serves now.
    """
    if run.has_begun:
        return replace(run.origin, champion=_champion_now(state), mlflow_run=mlflow_run)
    causes = tuple(dict.fromkeys([*run.origin.causes, *state.pending]))
    recorded = run.record.origin
    return replace(
        origin_now(state, causes),
        mlflow_run=mlflow_run,
        stages=recorded.stages,
        storage=recorded.storage,
        generation=recorded.generation,
        commands=recorded.commands,
    )


def _champion_now(state: RetrainingState) -> str:
    return state.facts.deployment.champion_version if state.facts.deployment else ""


def stage_object(state: RetrainingState, run: Run, spec: Stage, origin: RunOrigin, rows: FrozenRows | None) -> Manifest:
    """The whole intent of the object that does the work of the stage that the run is in. It is applied once."""
    facts, stage = state.facts, run.stage
    own = labels(facts.name, **{RUN_LABEL: run.id, STAGE_LABEL: stage.name})
    spot = {SPOT_LABEL: "true"} if spec.spot else {}
    metadata = owned_metadata(facts, RETRAIN_POLICY, stage.object_name, {**own, **spot})
    metadata["annotations"] = {TRIGGER_ANNOTATION: json.dumps(dump_origin(origin), ensure_ascii=False)}
    needs = PodNeeds(
        labels=own,
        variables=(*environment(state, run.id, stage.name, origin, rows), *handed_over(run)),
        pull_secrets=facts.settings.image_pull_secrets,
        reads_collector=rows is not None,
        volumes=volumes_of(state, run),
        resources=state.spec.default_resources,
        spot_nodes=facts.settings.spot_nodes if spec.spot else (),
        platform=facts.settings.platform,
    )
    template = template_of(stage.name, spec, facts.settings.trainer_image)
    work = StageWork(name=stage.name, stage=spec, template=template, metadata=metadata, pod=needs)
    return stage.kind.manifest(work)

"""The Job of a run: the pod template of its stage, how often it is tried again, and for how long."""

from __future__ import annotations

import json
from typing import Any

from viridian.api.feedback import FrozenRows
from viridian.api.names import RETRAIN_POLICY, RUN_LABEL, STAGE_LABEL, TRIGGER_ANNOTATION
from viridian.api.stage import FINAL_EXIT_CODES
from viridian.core.lookup import entries, text
from viridian.core.ownership import owner_reference
from viridian.retraining.environment import environment
from viridian.retraining.records import TRAINING, RunOrigin, data_shown, dump_origin, labels
from viridian.retraining.runs import Run
from viridian.retraining.stages.pod_template import PodNeeds, main_container, pod_template
from viridian.retraining.state import RetrainingState
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.timetable import length


def origin_now(state: RetrainingState, causes: tuple[Cause, ...], mlflow_run: str = "") -> RunOrigin:
    """What a run that begins now works on."""
    facts, containers = state.facts, entries(state.spec.stages.training.template, "spec", "containers")
    return RunOrigin(
        causes=causes,
        champion=facts.deployment.champion_version if facts.deployment else "",
        data=data_shown(state.spec),
        image=text(containers[0], "image") if containers else "",
        mlflow_run=mlflow_run,
    )


def job(state: RetrainingState, run: Run, origin: RunOrigin, rows: FrozenRows | None = None) -> dict[str, Any]:
    """The whole intent of a run's Job. It is applied once: a Job's template cannot be changed."""
    facts, stage = state.facts, state.spec.stages.training
    own = labels(facts.name, **{RUN_LABEL: run.id, STAGE_LABEL: TRAINING})
    needs = PodNeeds(
        labels=own,
        variables=environment(state, run.id, TRAINING, origin, rows),
        pull_secrets=facts.image_pull_secrets,
        reads_collector=rows is not None,
    )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": run.job_name,
            "namespace": facts.namespace,
            "labels": own,
            "annotations": {TRIGGER_ANNOTATION: json.dumps(dump_origin(origin), ensure_ascii=False)},
            "ownerReferences": [owner_reference(RETRAIN_POLICY, facts.name, facts.uid)],
        },
        "spec": {
            "backoffLimit": stage.backoff_limit,
            "activeDeadlineSeconds": max(1, int(length(stage.timeout).total_seconds())),
            "podFailurePolicy": _failure_policy(main_container(stage.template)),
            "template": pod_template(stage.template, needs),
        },
    }


def _failure_policy(worker: str) -> dict[str, Any]:
    """Eviction and node loss do not count; what the stage has decided is not tried again."""
    return {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": worker, "operator": "In", "values": list(FINAL_EXIT_CODES)},
            },
        ]
    }

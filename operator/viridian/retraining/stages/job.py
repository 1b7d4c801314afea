"""A stage as a Job: its pod template, how often it is tried again, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from viridian.api.names import QUEUE_LABEL, stage_job
from viridian.api.stage import final_exit_codes
from viridian.core.lookup import Object
from viridian.core.plan import Manifest
from viridian.core.times import length
from viridian.retraining.stages.job_state import has_ended, job_state
from viridian.retraining.stages.pod_template import main_container, pod_template
from viridian.retraining.stages.stage_kind import StageWork
from viridian.retraining.stages.state import StageState


@dataclass(frozen=True, slots=True)
class JobStage:
    """`batch/v1` Jobs."""

    api_version: str = "batch/v1"
    kind: str = "Job"
    pod_label: str = "batch.kubernetes.io/job-name"
    is_watched: bool = True

    def name(self, policy: str, run: str, stage: str) -> str:
        return stage_job(policy, run, stage)

    def manifest(self, work: StageWork) -> Manifest:
        metadata, queue = dict(work.metadata), work.stage.queue
        if queue is not None:
            metadata["labels"] = {**metadata.get("labels", {}), QUEUE_LABEL: queue}
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": metadata,
            "spec": {
                # Kueue takes a Job that it finds suspended, and resumes it when it is admitted.
                **({"suspend": True} if queue is not None else {}),
                "backoffLimit": work.stage.backoff_limit,
                "activeDeadlineSeconds": max(1, int(length(work.stage.timeout).total_seconds())),
                "podFailurePolicy": _failure_policy(main_container(work.template), final_exit_codes(work.name)),
                "template": pod_template(work.template, work.pod),
            },
        }

    def state(self, found: Object | None, pods: Sequence[Object]) -> StageState:
        return job_state(found, pods)

    def has_ended(self, found: Object | None) -> bool:
        return has_ended(found)


def _failure_policy(container: str, final: Sequence[int]) -> dict[str, Any]:
    """Eviction and node loss do not count; what the stage has decided is not tried again."""
    return {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": container, "operator": "In", "values": list(final)},
            },
        ]
    }

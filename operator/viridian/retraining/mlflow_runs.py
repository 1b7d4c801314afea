"""What the MLflow run of a run shows of it: the last witness, where object and pods of a stage are gone."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from viridian.api.registry import RunStatus, TrainingRun
from viridian.core.times import format_time
from viridian.retraining.stages.state import StageOutcome, StageResult

OPEN: Final = (RunStatus.RUNNING, RunStatus.SCHEDULED)


def result_from_mlflow(run: TrainingRun | None, now: datetime, *, restored: bool = False) -> StageResult:
    """How a stage ended of which nothing is left but its MLflow run. The trainer closes that, or has logged a model."""
    at = format_time((run.ended_at if run is not None else None) or now)
    if run is not None and (run.status is RunStatus.FINISHED or (run.status in OPEN and run.model_uri)):
        return StageResult(outcome=StageOutcome.COMPLETE, at=at, lost=True, restored=restored)
    if run is not None and run.status is RunStatus.FAILED:
        message = "its MLflow run was closed as FAILED"
        return StageResult(outcome=StageOutcome.FAILED, at=at, message=message, restored=restored)
    return StageResult(outcome=StageOutcome.CANCELLED, at=at, restored=restored)


def is_untouched(run: TrainingRun) -> bool:
    """Whether nothing was logged to the run, nor is it closed: then no stage has worked on it."""
    return run.status in OPEN and not (run.model_uri or run.metrics or run.params)

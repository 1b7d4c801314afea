"""How far each stage of a run is, as `status.stages` shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from viridian.api.retrainpolicy_status import ActiveRun, StageStatus
from viridian.api.stage import RESOLVER_STAGE, parse_report
from viridian.api.texts import one_line
from viridian.core.lookup import text
from viridian.retraining.run_usage import stage_usage
from viridian.retraining.runs import Run, RunStage
from viridian.retraining.stages.stage_table import STAGE_NAMES, planned_stages
from viridian.retraining.stages.state import StageOutcome, StageResult
from viridian.retraining.state import RetrainingState

SKIPPED, PENDING, RUNNING, CACHED = "Skipped", "Pending", "Running", "Cached"
MAX_LOG: Final = 700
"""Characters of the end of a log that a message shows."""


def stage_statuses(state: RetrainingState, active: ActiveRun | None) -> Sequence[StageStatus]:
    """The stages of the run at work, else of the newest finished run; none before the first run.

    A stage that the run does not have is left out.
    """
    shown = active.id if active is not None else next((run.id for run in state.finished), "")
    run = next((run for run in state.runs if run.id == shown), None)
    if run is None and active is None:
        return ()
    if run is None:
        return [StageStatus(name=name, state=PENDING) for name in _names(planned_stages(state.spec))]
    return [_status(run, name) for name in _names(run.record.origin.stages)]


def _names(stages: Collection[str]) -> Iterable[str]:
    """In the order in which they run."""
    return (name for name in (RESOLVER_STAGE, *STAGE_NAMES) if name in stages)


def _status(run: Run, name: str) -> StageStatus:
    stage = run.named(name)
    if stage is None:
        return StageStatus(name=name, state=SKIPPED, message=_ended_before(run))
    result, began = stage.result, stage.note.began or text(stage.found, "metadata", "creationTimestamp")
    return StageStatus(
        name=name,
        state=_state(run, stage),
        started_at=began or None,
        finished_at=(result.at or None) if result is not None else None,
        job=stage.object_name if stage.note.seen or stage.found is not None else None,
        message=_message(run, stage),
        usage=stage_usage(stage),
    )


def _state(run: Run, stage: RunStage) -> str:
    if stage.note.cached:
        return CACHED
    if stage.result is not None:
        return str(stage.result.outcome)
    if stage.note.seen or stage.found is not None:
        return RUNNING
    return PENDING if run.finished is None else SKIPPED


def _message(run: Run, stage: RunStage) -> str:
    if stage.note.cached:
        return f"nothing that it works on has changed since run {stage.note.cached}"
    if _state(run, stage) == SKIPPED:
        return _ended_before(run)
    return stage.note.waiting if stage.result is None else _ending(stage.result)


def _ended_before(run: Run) -> str:
    """Why a stage of the run did not begin."""
    return f"the run ended before it: {run.finished.outcome}" if run.finished is not None else ""


def _ending(result: StageResult) -> str:
    """Why it did not end well: its reason, what it reported, and the end of its log where it reported nothing."""
    if result.outcome is StageOutcome.COMPLETE:
        return ""
    report = parse_report(result.termination_message)
    code = f"exit code {result.code}" if result.code is not None else ""
    lead = ", ".join(filter(None, [result.killed or result.reason, code, "" if code else result.message]))
    reported = "; ".join(report.failures) or report.message[-MAX_LOG:]
    return one_line(": ".join(filter(None, [lead, reported])), MAX_LOG + 300)

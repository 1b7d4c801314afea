"""What an ended stage says by its exit code alone, before any number is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from viridian.api import reasons
from viridian.api.registry import RunStatus
from viridian.api.stage import ExitCode, StageReport
from viridian.retraining.runs import Run
from viridian.retraining.stages.result import Ending, JobState, exit_code

MAX_SAID = 500
_STATUSES = {
    reasons.FAILED: RunStatus.FAILED,
    reasons.DATA_QUALITY_FAILED: RunStatus.FAILED,
    reasons.FOREIGN_MODEL: RunStatus.FAILED,
    reasons.CANCELLED: RunStatus.KILLED,
}


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """What becomes of a run, and why, for people."""

    outcome: str
    message: str

    @property
    def hands_over(self) -> bool:
        return self.outcome == reasons.HANDED_OVER

    @property
    def mlflow_status(self) -> RunStatus:
        """How its MLflow run ends."""
        return _STATUSES.get(self.outcome, RunStatus.FINISHED)


def without_candidate(run: Run, ending: Ending, told: StageReport, timeout: str) -> RunVerdict | None:
    """The verdict on a run that ended in any way but well; None when there is a candidate to be judged."""
    if ending.state is JobState.COMPLETE:
        return None
    if ending.state is JobState.CANCELLED:
        return RunVerdict(reasons.CANCELLED, _cancelled(run))
    if ending.reason == "DeadlineExceeded":
        kept = f": {run.note.waiting}" if run.note.waiting else ""
        return RunVerdict(reasons.FAILED, f"training did not end within its timeout, now {timeout}{kept}")
    said = _said(told)
    match exit_code(ending):
        case ExitCode.BAD_DATA:
            return RunVerdict(reasons.DATA_QUALITY_FAILED, f"the data is not good enough{said}")
        case ExitCode.BAD_CANDIDATE:
            return RunVerdict(reasons.REJECTED, f"the training stage rejected its candidate{said}")
        case ExitCode.NOTHING_TO_DO:
            return RunVerdict(reasons.SKIPPED, f"there was nothing to do{said}")
        case code:
            return RunVerdict(reasons.FAILED, _failure(ending, code) + said + _not_again(ending))


def _cancelled(run: Run) -> str:
    if not run.note.job:
        return "it was cancelled before its Job was seen at work, and MLflow shows no model of it"
    return f"it was cancelled: its Job {run.note.job} was deleted before it had ended"


def _failure(ending: Ending, code: int | None) -> str:
    times = f" {ending.failures} times, the last time" if ending.failures > 1 else ""
    if code is not None:
        return f"training failed{times} with exit code {code}{_killed(ending)}"
    return f"training failed{times}: {ending.message or ending.reason or 'its pods are gone'}"


def _killed(ending: Ending) -> str:
    if ending.killed == "OOMKilled":
        return " (OOMKilled: it took more memory than its limit)"
    return f" ({ending.killed})" if ending.killed else ""


def _not_again(ending: Ending) -> str:
    """Kubernetes tries a pod again only once all of its containers have ended."""
    if not ending.lingering:
        return ""
    return f"; it was not tried again, since {ending.lingering} kept its pod alive: make that a native sidecar"


def _said(told: StageReport) -> str:
    """The stage's own words. Of a log, the end says most."""
    words = "; ".join(told.failures) or " ".join(told.said.split())[-MAX_SAID:]
    return f": {words[:MAX_SAID]}" if words else ""

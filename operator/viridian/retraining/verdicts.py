"""What an ended Job says by its exit code alone, before any number is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from viridian.api import reasons
from viridian.api.registry import RunStatus
from viridian.api.stage import ExitCode, StageReport
from viridian.retraining.results import Ending, JobState, exit_code
from viridian.retraining.runs import Run

MAX_SAID = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a run, and why, for people."""

    outcome: str
    message: str

    @property
    def hands_over(self) -> bool:
        return self.outcome == reasons.HANDED_OVER

    @property
    def mlflow_status(self) -> RunStatus:
        """How its MLflow run ends."""
        failed = self.outcome in (reasons.FAILED, reasons.DATA_QUALITY_FAILED)
        return RunStatus.FAILED if failed else RunStatus.FINISHED


def without_candidate(run: Run, told: StageReport, timeout: str) -> Verdict | None:
    """The verdict on a run that ended in any way but well; None when there is a candidate to be judged."""
    if run.ending.state is JobState.COMPLETE:
        return None
    if run.ending.reason == "DeadlineExceeded":
        return Verdict(reasons.FAILED, f"training did not end within its timeout, now {timeout}")
    said = _said(told)
    match exit_code(run.result, run.ending):
        case ExitCode.BAD_DATA:
            return Verdict(reasons.DATA_QUALITY_FAILED, f"the data is not good enough{said}")
        case ExitCode.BAD_CANDIDATE:
            return Verdict(reasons.REJECTED, f"the training stage rejected its candidate{said}")
        case ExitCode.NOTHING_TO_DO:
            return Verdict(reasons.SKIPPED, f"there was nothing to do{said}")
        case code:
            return Verdict(reasons.FAILED, _failure(run, run.ending, code) + said)


def _failure(run: Run, ending: Ending, code: int | None) -> str:
    times = f" {run.failures} times, the last time" if run.failures > 1 else ""
    if code is not None:
        return f"training failed{times} with exit code {code}"
    return f"training failed{times}: {ending.message or ending.reason or 'its pods are gone'}"


def _said(told: StageReport) -> str:
    """The stage's own words. Of a log, the end says most."""
    words = "; ".join(told.failures) or " ".join(told.said.split())[-MAX_SAID:]
    return f": {words[:MAX_SAID]}" if words else ""

"""What becomes of a run whose last stage has ended: the first rule of a chain that has something to say decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from viridian.api import reasons
from viridian.api.lineage import Audit, Lineage
from viridian.api.names import APPROVE_ANNOTATION, REJECT_ANNOTATION
from viridian.api.registry import TAG_GATE, RunStatus
from viridian.api.stage import StageName, StageReport
from viridian.core.times import format_time
from viridian.retraining.candidate_gate import gate, is_superior, reported
from viridian.retraining.checks import named_features
from viridian.retraining.hand_over_limit import room_at
from viridian.retraining.handover import is_superseded, needs_approval, recorded_decision
from viridian.retraining.input import RegistryResult
from viridian.retraining.runs import Run, RunStage
from viridian.retraining.stages.meaning import Meaning, meaning
from viridian.retraining.stages.stage_table import stages_of
from viridian.retraining.stages.state import StageResult
from viridian.retraining.state import RetrainingState
from viridian.retraining.version_lineage import missing

MAX_QUOTED: Final = 500
"""Characters of a stage's own words that a message repeats."""
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
    # When what passed is handed over without a person.
    waits_until: datetime | None = None

    @property
    def hands_over(self) -> bool:
        return self.outcome == reasons.HANDED_OVER

    @property
    def mlflow_status(self) -> RunStatus:
        """How its MLflow run ends."""
        return _STATUSES.get(self.outcome, RunStatus.FINISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """A run whose last stage has ended, and all that is known of it."""

    state: RetrainingState
    run: Run
    result: StageResult
    report: StageReport
    registry: RegistryResult
    # What its version was made from, as far as that is known.
    lineage: Lineage
    # Why the model that it names is not its own; empty where it is.
    foreign_model: str = ""


def verdict_on(ended: EndedRun) -> RunVerdict:
    """What is to become of the run."""
    found = (rule(ended) for rule in RULES)
    return next(verdict for verdict in found if verdict is not None)


def names_a_foreign_model(ended: EndedRun) -> RunVerdict | None:
    return RunVerdict(reasons.FOREIGN_MODEL, ended.foreign_model) if ended.foreign_model else None


def was_judged_when_it_ended(ended: EndedRun) -> RunVerdict | None:
    candidate = ended.registry.candidate
    verdict = candidate.tags.get(TAG_GATE, "") if ended.result.restored and candidate else ""
    if not verdict:
        return None
    outcome, _, message = verdict.partition(": ")
    return RunVerdict(outcome, message)


def ended_without_a_candidate(ended: EndedRun) -> RunVerdict | None:
    stage = stages_of(ended.state.spec).get(ended.run.stage.name)
    timeout = stage.timeout if stage is not None else "not set"
    return without_candidate(ended.run.stage, ended.result, ended.report, timeout)


def lost_its_report(ended: EndedRun) -> RunVerdict | None:
    is_known = ended.registry.candidate is not None and reported(ended.report, ended.registry.run)
    lost = [stage.name for stage in ended.run.stages if stage.result is not None and stage.result.lost]
    if not lost or is_known:
        return None
    gone = f"{lost[-1]} ended well, but its pod was deleted before its report could be read"
    return RunVerdict(reasons.FAILED, f"{gone}: log model and metrics to the MLflow run, which stays, or run it again")


def made_no_model(ended: EndedRun) -> RunVerdict | None:
    if ended.registry.candidate is not None:
        return None
    made_none = f"{StageName.TRAINING} ended well, but made no model"
    lost = "its MLflow run was deleted" if ended.registry.run is None else made_none
    return RunVerdict(reasons.FAILED, f"{lost}: log a model to the MLflow run, or report model.uri")


def lacks_what_an_audit_asks_for(ended: EndedRun) -> RunVerdict | None:
    if ended.state.spec.audit is not Audit.STRICT or ended.registry.candidate is None:
        return None
    named = named_features(ended.state.facts) is not None
    lacking = "; ".join(missing(ended.run, ended.report, ended.lineage, features=named))
    return RunVerdict(reasons.REJECTED, f"audit: Strict, and the version has {lacking}") if lacking else None


def is_judged_by_the_gate(ended: EndedRun) -> RunVerdict | None:
    if ended.registry.candidate is None:
        return None
    whole = (ended.state, ended.run, ended.report, ended.registry, ended.registry.candidate)
    judged = gate(*whole)
    if not judged.passed:
        return RunVerdict(reasons.REJECTED, judged.sentence)
    decision = recorded_decision(ended.run)
    if decision is not None:
        return RunVerdict(reasons.HANDED_OVER, f"{judged.sentence}; approved {decision.sentence}")
    if needs_approval(ended.state.spec.gate, is_superior=lambda: is_superior(*whole)):
        return RunVerdict(reasons.AWAITING_APPROVAL, judged.sentence)
    return _once_there_is_room(ended.state, judged.sentence)


def _once_there_is_room(state: RetrainingState, sentence: str) -> RunVerdict:
    budget, until = state.spec.budget, room_at(state.spec.budget, state.hand_overs)
    if until is None:
        return RunVerdict(reasons.HANDED_OVER, sentence)
    used = f"{budget.max_hand_overs} of {budget.max_hand_overs} hand-overs of {budget.period} are used up"
    waits = f"it waits until {format_time(until)}, or for the annotation {APPROVE_ANNOTATION}"
    return RunVerdict(reasons.AWAITING_APPROVAL, f"{sentence}; {used}: {waits}", until)


def was_rejected_by_a_person(ended: EndedRun) -> RunVerdict | None:
    decision = recorded_decision(ended.run)
    if decision is None or decision.annotation != REJECT_ANNOTATION:
        return None
    return RunVerdict(reasons.REJECTED, f"it passed the gate, and was rejected {decision.sentence}")


def was_followed_by_a_newer_candidate(ended: EndedRun) -> RunVerdict | None:
    run = ended.run
    if run.finished is None or not is_superseded(run, ended.state.finished):
        return None
    return RunVerdict(reasons.SUPERSEDED, "it passed the gate and waited for a person when a newer candidate came")


RULES: Final[tuple[Callable[[EndedRun], RunVerdict | None], ...]] = (
    names_a_foreign_model,  # before anything that it reports counts
    was_judged_when_it_ended,  # its record was lost, and made again
    ended_without_a_candidate,
    lost_its_report,
    made_no_model,
    lacks_what_an_audit_asks_for,
    was_rejected_by_a_person,
    was_followed_by_a_newer_candidate,
    is_judged_by_the_gate,  # there is a candidate, and it is the run's own
)


def without_candidate(stage: RunStage, result: StageResult, report: StageReport, timeout: str) -> RunVerdict | None:
    """The verdict on a run whose last stage ended in any way but well; None when there is a candidate to be judged."""
    quoted = _quoted(report)
    match meaning(stage.name, result):
        case Meaning.DONE:
            return None
        case Meaning.CANCELLED:
            return RunVerdict(reasons.CANCELLED, _cancelled(stage, result))
        case Meaning.OUT_OF_TIME:
            kept = f": {stage.note.waiting}" if stage.note.waiting else ""
            return RunVerdict(reasons.FAILED, f"{stage.name} did not end within its timeout, now {timeout}{kept}")
        case Meaning.BAD_DATA:
            return RunVerdict(reasons.DATA_QUALITY_FAILED, f"the data is not good enough{quoted}")
        case Meaning.BAD_CANDIDATE:
            return RunVerdict(reasons.REJECTED, f"the {stage.name} stage rejected its candidate{quoted}")
        case Meaning.NOTHING_TO_DO:
            return RunVerdict(reasons.SKIPPED, f"there was nothing to do{quoted}")
        case Meaning.ERROR:
            failure = _failure(stage.name, result, result.code)
            return RunVerdict(reasons.FAILED, failure + quoted + _not_again(result))


def _cancelled(stage: RunStage, result: StageResult) -> str:
    kind, name = stage.kind.kind, stage.note.seen
    if result.message:
        return f"it was cancelled: {result.message}"
    if not name:
        return f"it was cancelled before its {kind} was seen at work, and MLflow shows no model of it"
    return f"it was cancelled: its {kind} {name} was deleted before it had ended"


def _failure(stage: str, result: StageResult, code: int | None) -> str:
    times = f" {result.failures} times, the last time" if result.failures > 1 else ""
    if code is not None:
        return f"{stage} failed{times} with exit code {code}{_killed(result)}"
    return f"{stage} failed{times}: {result.message or result.reason or 'its pods are gone'}"


def _killed(result: StageResult) -> str:
    if result.killed == "OOMKilled":
        return " (OOMKilled: it took more memory than its limit)"
    return f" ({result.killed})" if result.killed else ""


def _not_again(result: StageResult) -> str:
    """Kubernetes tries a pod again only once all of its containers have ended."""
    if not result.lingering:
        return ""
    return f"; it was not tried again, since {result.lingering} kept its pod alive: make that a native sidecar"


def _quoted(report: StageReport) -> str:
    """The stage's own words. Of a log, the end says most."""
    words = "; ".join(report.failures) or " ".join(report.message.split())[-MAX_QUOTED:]
    return f": {words[:MAX_QUOTED]}" if words else ""

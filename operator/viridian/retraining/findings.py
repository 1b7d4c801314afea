"""The conditions of a RetrainPolicy: Ready, DataQuality and Paused; Reconciling and Stalled only while they are true.

In the words of kstatus: Stalled means that a person has to change something, Reconciling that the operator waits for
something and tries again. A run at work is neither: it is what a policy is there for, and nobody should wait for its
end.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from viridian.api import reasons
from viridian.api.names import RUN_ANNOTATION
from viridian.api.retrainpolicy import ActiveRun
from viridian.core.conditions import Finding, Truth, stamp
from viridian.retraining.causes import manual
from viridian.retraining.checks import Problem, data_problem, schedule_problem, write_problem
from viridian.retraining.progress import waiting
from viridian.retraining.quality import Quality
from viridian.retraining.runs import Run
from viridian.retraining.situation import RetrainingState

MAX_SHOWN: Final = 50
"""Characters of a person's value that a message repeats."""
MAX_SAID: Final = 300
"""Characters of what a failed attempt said; the end of a log says most."""


def findings(situation: RetrainingState, problem: Problem | None, active: ActiveRun | None) -> tuple[Finding, ...]:
    """All conditions."""
    word = situation.quality
    obstacles = situation.facts.obstacles
    others = [found for found in (problem, data_problem(situation), schedule_problem(situation)) if found is not None]
    # Without its Job no run goes on; what is only to be deleted holds up nothing.
    grave = write_problem({target: one for target, one in obstacles.items() if not one.deletion})
    problems = [*filter(None, [write_problem(obstacles)]), *others]
    lasting = [found for found in problems if found.lasting]
    passing = [found for found in problems if not found.lasting]
    first = grave or next(iter(others), None)
    ready = _not_ready(first) if first is not None else _ready(situation, active)
    return (
        ready,
        *_abnormal(reasons.RECONCILING, passing if not lasting else []),
        *_abnormal(reasons.STALLED, lasting),
        Finding(reasons.DATA_QUALITY, word.truth, word.reason, word.message),
        _paused(situation, word),
    )


def _not_ready(problem: Problem) -> Finding:
    return Finding(reasons.READY, Truth.FALSE, problem.reason, problem.message)


def _abnormal(kind: str, problems: list[Problem]) -> Iterable[Finding]:
    if problems:
        message = "; ".join(problem.message for problem in problems)
        yield Finding(kind, Truth.TRUE, problems[0].reason, message)


def _ready(situation: RetrainingState, active: ActiveRun | None) -> Finding:
    reason, message = _occupation(situation, active)
    return Finding(reasons.READY, Truth.TRUE, reason, message)


def _occupation(situation: RetrainingState, active: ActiveRun | None) -> tuple[str, str]:
    if active is not None:
        return reasons.RUN_ACTIVE, _at_work(situation, active)
    if situation.spec.suspend:
        return reasons.SUSPENDED, "spec.suspend is true: only the annotation viridian.dev/run starts a run"
    if situation.cooling_until is not None and situation.due:
        due = ", ".join(cause.identity for cause in situation.due)
        return reasons.WAITING, f"{due} waits until {stamp(situation.cooling_until)}: spec.budget.cooldown"
    return reasons.WAITING, f"nothing is due{_used_up(situation)}"


def _used_up(situation: RetrainingState) -> str:
    """The annotation stays where it is; who writes an old value again should know why nothing happens."""
    asked = manual(situation.facts.annotations.get(RUN_ANNOTATION, ""))
    run = next((run for run in situation.finished if asked in run.origin.causes), None)
    if run is None or asked is None:
        return ""
    return f"; run {run.id} has answered {RUN_ANNOTATION}={asked.value[:MAX_SHOWN]}: write another value to start a run"


def _at_work(situation: RetrainingState, active: ActiveRun) -> str:
    lead = f"run {active.id}: {active.stage}" if active.job else f"run {active.id} begins"
    run = situation.active
    if run is None or not active.job or run.ending is not None:
        return lead
    result, stuck = run.result, waiting(run, situation.now)
    if stuck:
        return f"{lead} does not run: {stuck}{_attempts(run, situation.now)}"
    if result.worker is not None and result.lingering:
        left = ", ".join(result.lingering)
        return f"{lead} ended with exit code {result.worker.exit_code}, but container {left} keeps its pod alive"
    return f"{lead}{_attempts(run, situation.now)}"


def _attempts(run: Run, now: datetime) -> str:
    """What became of the attempts before."""
    failed = run.result.failed.sentence(now)[-MAX_SAID:] if run.result.failed else ""
    return f"; attempt {run.result.failures} failed: {failed}" if failed else ""


def _paused(situation: RetrainingState, word: Quality) -> Finding:
    kind = reasons.PAUSED_CONDITION
    if situation.spec.suspend:
        return Finding(kind, Truth.TRUE, reasons.SUSPENDED, "spec.suspend is true")
    if word.paused:
        return Finding(kind, Truth.TRUE, reasons.DATA_QUALITY_FAILED, "schedules wait for better data")
    return Finding(kind, Truth.FALSE, reasons.NOT_PAUSED, "schedules start runs")

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
from viridian.api.automation import Mode
from viridian.api.names import ACCEPT_ANNOTATION, APPROVE_ANNOTATION, REJECT_ANNOTATION, RUN_ANNOTATION
from viridian.api.retrainpolicy_status import ActiveRun
from viridian.core.conditions import Finding, Truth
from viridian.core.times import format_time
from viridian.retraining.advice_status import advice_of, contradicted
from viridian.retraining.checks import (
    Problem,
    blackout_problem,
    breaker_problem,
    data_problem,
    trigger_problems,
    write_problem,
)
from viridian.retraining.handover import awaiting, waits_for_room
from viridian.retraining.permission import Proposal
from viridian.retraining.progress import waiting
from viridian.retraining.runs import Run
from viridian.retraining.stages.state import StageState
from viridian.retraining.state import RetrainingState
from viridian.retraining.triggers.manual import requested_run

MAX_SHOWN: Final = 50
"""Characters of a person's value that a message repeats."""
MAX_QUOTED: Final = 300
"""Characters of the last words of a failed attempt; the end of a log says most."""


def findings(state: RetrainingState, problem: Problem | None, active: ActiveRun | None) -> tuple[Finding, ...]:
    """All conditions."""
    obstacles = state.facts.obstacles
    checked = (problem, data_problem(state), breaker_problem(state), blackout_problem(state))
    others = [found for found in checked if found is not None]
    others += trigger_problems(state)
    # Without its Job no run goes on; what is only to be deleted holds up nothing.
    grave = write_problem({target: one for target, one in obstacles.items() if not one.deletion})
    problems = [*filter(None, [write_problem(obstacles)]), *others]
    lasting = [found for found in problems if found.lasting]
    passing = [found for found in problems if not found.lasting]
    first = grave or next(iter(others), None)
    ready = _not_ready(first) if first is not None else _ready(state, active)
    return (
        ready,
        *_abnormal(reasons.RECONCILING, passing if not lasting else []),
        *_abnormal(reasons.STALLED, lasting),
        _data_quality(state),
        _paused(state),
        *_budget_exceeded(state),
        *_review_required(state),
        *contradicted(advice_of(state.facts)),
    )


def _not_ready(problem: Problem) -> Finding:
    return Finding(reasons.READY, Truth.FALSE, problem.reason, problem.message)


def _abnormal(kind: str, problems: list[Problem]) -> Iterable[Finding]:
    if problems:
        message = "; ".join(problem.message for problem in problems)
        yield Finding(kind, Truth.TRUE, problems[0].reason, message)


def _ready(state: RetrainingState, active: ActiveRun | None) -> Finding:
    reason, message = _occupation(state, active)
    return Finding(reasons.READY, Truth.TRUE, reason, message)


def _occupation(state: RetrainingState, active: ActiveRun | None) -> tuple[str, str]:
    if active is not None:
        return reasons.RUN_ACTIVE, _at_work(state, active)
    if state.spec.mode is Mode.OBSERVE:
        return reasons.OBSERVING, _observed(state)
    if state.proposal is not None and state.proposal.awaits and not state.proposal.begins:
        reason = reasons.RECOMMENDED if state.proposal.awaits == ACCEPT_ANNOTATION else reasons.AWAITING_APPROVAL
        return reason, _awaited(state.proposal)
    if state.spec.suspend:
        return reasons.SUSPENDED, "spec.suspend is true: only the annotation viridian.dev/run starts a run"
    if state.holds.in_force and state.pending:
        return reasons.WAITING, _held(state)
    if state.held and state.proposal is None:
        return reasons.WAITING, "; ".join(f"{cause.identity} waits: {why.message}" for cause, why in state.held.items())
    return reasons.WAITING, f"nothing is due{_used_up(state)}"


def _observed(state: RetrainingState) -> str:
    """What would begin in another mode."""
    proposal = state.proposal
    would = (
        f"run {proposal.run.id} would begin: {', '.join(proposal.run.reasons)}" if proposal else "nothing would begin"
    )
    return f"spec.mode is Observe, so nothing is written but status and Events; {would}"


def _awaited(proposal: Proposal) -> str:
    """What a person has to write so that the run begins."""
    run, signed = proposal.run.id, "" if proposal.awaits == ACCEPT_ANNOTATION else "#<your user name>"
    causes = ", ".join(proposal.run.reasons)
    return (
        f"run {run} waits for a person: {causes}. The annotation {proposal.awaits}={run}{signed} starts it, and "
        f"{REJECT_ANNOTATION}={run} dismisses it"
    )


def _held(state: RetrainingState) -> str:
    """Which causes wait, and for what."""
    waits, cooling = ", ".join(cause.identity for cause in state.pending), state.holds.cooling_until
    if state.holds.pauses:
        return f"{waits} waits: {'; '.join(pause.message for pause in state.holds.pauses)}"
    return f"{waits} waits until {format_time(cooling)}: spec.budget.cooldown" if cooling is not None else waits


def _used_up(state: RetrainingState) -> str:
    """The annotation stays where it is; who writes an old value again should know why nothing happens."""
    requested = requested_run(state.facts)
    run = next((run for run in state.finished if requested in run.origin.causes), None)
    if run is None or requested is None:
        return ""
    answered = f"run {run.id} has answered {RUN_ANNOTATION}={requested.value[:MAX_SHOWN]}"
    return f"; {answered}: write another value to start a run"


def _at_work(state: RetrainingState, active: ActiveRun) -> str:
    lead = f"run {active.id}: {active.stage}" if active.job else f"run {active.id} begins"
    stage = state.active.stage if state.active else None
    if stage is None or not active.job or stage.result is not None:
        return lead
    stuck, attempts = waiting(stage, state.now), _attempts(stage.state, state.now)
    if stuck:
        return f"{lead} does not run: {stuck}{attempts}"
    main, lingering = stage.state.main_container, ", ".join(stage.state.lingering)
    if main is not None and lingering:
        return f"{lead} ended with exit code {main.exit_code}, but container {lingering} keeps its pod alive"
    return f"{lead}{attempts}"


def _attempts(stage: StageState, now: datetime) -> str:
    """What became of the attempts before."""
    failed = stage.failed.sentence(now)[-MAX_QUOTED:] if stage.failed else ""
    return f"; attempt {stage.failures} failed: {failed}" if failed else ""


def _data_quality(state: RetrainingState) -> Finding:
    """What runs found in the data they train on comes before what monitors find in live data."""
    quality = state.data_quality
    pauses = [pause for pause in state.holds.pauses if pause.reason == reasons.MONITOR_FIRED]
    if pauses and quality.truth is not Truth.FALSE:
        message = "; ".join(pause.message for pause in pauses)
        return Finding(reasons.DATA_QUALITY, Truth.FALSE, reasons.MONITOR_FIRED, message)
    return Finding(reasons.DATA_QUALITY, quality.truth, quality.reason, quality.message)


def _paused(state: RetrainingState) -> Finding:
    kind, pauses = reasons.PAUSED_CONDITION, state.holds.pauses
    if state.spec.mode is Mode.OBSERVE:
        message = "spec.mode is Observe: write Automatic or Recommend so that runs can start"
        return Finding(kind, Truth.TRUE, reasons.OBSERVING, message)
    if not pauses:
        return Finding(kind, Truth.FALSE, reasons.NOT_PAUSED, "triggers start runs")
    return Finding(kind, Truth.TRUE, pauses[0].reason, "; ".join(pause.message for pause in pauses))


def _budget_exceeded(state: RetrainingState) -> Iterable[Finding]:
    messages = [pause.message for pause in state.holds.pauses if pause.reason == reasons.BUDGET_EXCEEDED]
    if messages:
        yield Finding(reasons.BUDGET_EXCEEDED, Truth.TRUE, reasons.BUDGET_EXCEEDED, "; ".join(messages))


def _review_required(state: RetrainingState) -> Iterable[Finding]:
    """A recommendation is an offer; a missing approval is what a person has to look at."""
    messages = [_candidate_waits(run) for run in awaiting(state.finished)[:1] if not waits_for_room(run)]
    proposal = state.proposal
    if proposal is not None and proposal.awaits == APPROVE_ANNOTATION and not proposal.begins:
        messages.append(_awaited(proposal))
    better = [hold.message for hold in state.held.values() if hold.reason == reasons.KNOWN_VERSION_IS_BETTER]
    if messages or better:
        reason = reasons.AWAITING_APPROVAL if messages else reasons.KNOWN_VERSION_IS_BETTER
        yield Finding(reasons.REVIEW_REQUIRED, Truth.TRUE, reason, "; ".join([*messages, *better]))


def _candidate_waits(run: Run) -> str:
    """What a person has to write so that the candidate is handed over."""
    version, judged = (run.finished.version, run.finished.message) if run.finished else ("", "")
    return (
        f"version {version} of run {run.id} passed the gate and waits for a person: {judged}. The annotation "
        f'{APPROVE_ANNOTATION}="{run.id} version {version}#<your user name>" hands it over, and '
        f'{REJECT_ANNOTATION}="{run.id} <why>" rejects it'
    )

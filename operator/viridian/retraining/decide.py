"""One pass over a RetrainPolicy: from its snapshot to a plan. Pure, total, and idempotent once carried out.

A run goes through the same few steps, one or two per pass, each because the world shows that the one before it was
taken: the MLflow run is created; the Job is applied; when it has ended, what it made is registered, judged, handed
over, and the outcome is written on the Job. A later step is never taken on the word of the status: that is a cache
for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from viridian.api import reasons
from viridian.api.feedback import Snapshot as FrozenRows
from viridian.api.registry import TAG_POLICY, TAG_REASONS, RunStatus
from viridian.api.retrainpolicy import ActiveRun
from viridian.plan.intent import apply_unless_covered
from viridian.plan.plan import Action, CreateRun, Delete, Event, EventType, FinishRun, Plan
from viridian.retraining import endings
from viridian.retraining.causes import Cause, Source
from viridian.retraining.checks import ELSEWHERE, WAITED_FOR, Problem, answer_problem, first_problem
from viridian.retraining.jobs import job
from viridian.retraining.pruning import superfluous
from viridian.retraining.questions import experiment_of, questions
from viridian.retraining.results import JobState
from viridian.retraining.runs import TRAINING, Run
from viridian.retraining.schedule import Timetable
from viridian.retraining.situation import Situation, Start, read, with_outcome
from viridian.retraining.snapshot import Answers, Snapshot
from viridian.retraining.status import invalid_status, news, status

POLL: Final = timedelta(seconds=60)
"""How often a run at work is looked at although nothing was heard of it."""
ANSWER_POLL: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What this pass does about the run that matters now."""

    actions: tuple[Action, ...] = ()
    # The run as the status is to show it.
    active: ActiveRun | None = None
    # The situation once the outcome is written down that this step writes.
    after: Situation | None = None
    # Times that were found to be answered although no Job shows it.
    answered: tuple[Cause, ...] = ()
    news: tuple[Event, ...] = ()
    wake: datetime | None = None
    summary: str = ""


def decide(snapshot: Snapshot, now: datetime) -> Plan:
    """What to do about this RetrainPolicy, now."""
    facts = snapshot.facts
    if facts.deleting:
        return Plan(summary="it is being deleted: its Jobs go with it")
    if facts.spec is None:
        return Plan(status=invalid_status(facts, now), summary=facts.invalid)
    situation = read(facts, facts.spec, now)
    problem = first_problem(situation) or answer_problem(snapshot.registry)
    if problem is not None or not isinstance(snapshot.registry, Answers):
        return _plan(situation, _held_up(situation, problem), problem)
    if snapshot.registry.questions != questions(situation):
        return Plan(wake=now, summary="something was due while the world was being read: look again")
    return _plan(situation, _next_step(situation, snapshot.registry), None)


def _plan(situation: Situation, step: Step, problem: Problem | None) -> Plan:
    next_status = status(step.after or situation, problem, step.active, step.answered)
    return Plan(
        actions=(*step.actions, *_prune(situation)),
        status=next_status,
        news=(*step.news, *news(situation.facts.status, next_status)),
        wake=_wake(situation, step, problem),
        summary=step.summary or (problem.message if problem else ""),
    )


def _held_up(situation: Situation, problem: Problem | None) -> Step:
    """Nothing can be done now; what is under way, or was about to begin, is kept in mind."""
    if situation.active is not None:
        return Step(active=_at_work(situation.active))
    if situation.vanished is not None:
        return Step(active=situation.vanished)
    elsewhere = problem is not None and problem.reason in ELSEWHERE
    return Step(active=_beginning(situation.start) if elsewhere and situation.start else None)


def _next_step(situation: Situation, answers: Answers) -> Step:
    if situation.vanished is not None:
        return _cancel(situation, situation.vanished, answers)
    if situation.active is not None:
        return _follow(situation, situation.active, answers)
    if situation.start is not None:
        return _begin(situation, situation.start, answers)
    return Step()


def _begin(situation: Situation, start: Start, answers: Answers) -> Step:
    """First the MLflow run; the Job once that is seen, since it carries the MLflow run's id."""
    if answers.run is None:
        tags = {
            TAG_POLICY: f"{situation.facts.namespace}/{situation.facts.name}",
            TAG_REASONS: json.dumps(start.reasons, ensure_ascii=False),
        }
        create = CreateRun(experiment_of(situation.facts), start.id, tags)
        summary = f"run {start.id} begins: {', '.join(start.reasons)}"
        return Step(actions=(create,), active=_beginning(start), wake=situation.now, summary=summary)
    if answers.run.status not in endings.OPEN:
        return _ran_before(situation, start)
    return _launch(situation, start, answers.run.run_id, answers.rows)


def _launch(situation: Situation, start: Start, mlflow_run: str, rows: FrozenRows | None) -> Step:
    manifest = job(situation, start, mlflow_run, rows)
    apply = apply_unless_covered(manifest, None)
    name = str(manifest["metadata"]["name"])
    return Step(
        actions=(apply,) if apply else (),
        active=ActiveRun(id=start.id, reasons=start.reasons[:20], stage=TRAINING, job=name, mlflow_run=mlflow_run),
        summary=f"run {start.id} trains: {', '.join(start.reasons)}",
    )


def _ran_before(situation: Situation, start: Start) -> Step:
    """MLflow remembers that this run has ended: its Job was deleted by hand, with the status. It is not made again."""
    first = start.causes[0]
    again = situation.now if first.source is Source.SCHEDULE else None
    return Step(answered=(first,), wake=again, summary=f"run {start.id} has run before")


def _follow(situation: Situation, run: Run, answers: Answers) -> Step:
    if run.ending.state is JobState.RUNNING:
        return Step(active=_at_work(run))
    step = endings.step(situation, run, answers)
    if step.finished is None:
        return Step(actions=step.actions, active=_at_work(run), wake=situation.now, summary=f"run {run.id} has ended")
    summary = f"run {run.id}: {step.finished.outcome}: {step.finished.message}"
    after = with_outcome(situation, run, step.finished)
    return Step(actions=step.actions, after=after, wake=situation.now, summary=summary)


def _cancel(situation: Situation, gone: ActiveRun, answers: Answers) -> Step:
    """Its MLflow run is closed first: that is what remembers the run from now on."""
    if answers.run is not None and answers.run.status in endings.OPEN:
        close = FinishRun(answers.run.run_id, str(RunStatus.KILLED))
        return Step(actions=(close,), active=gone, wake=situation.now, summary=f"run {gone.id} was cancelled")
    message = f"run {gone.id} was cancelled: its Job {gone.job} was deleted"
    told = Event(EventType.NORMAL, reasons.EVENT_RUN_CANCELLED, message)
    return Step(news=(told,), wake=situation.now, summary=message)


def _beginning(start: Start) -> ActiveRun:
    return ActiveRun(id=start.id, reasons=start.reasons[:20], stage=TRAINING)


def _at_work(run: Run) -> ActiveRun:
    return ActiveRun(
        id=run.id,
        reasons=run.reasons[:20],
        stage=TRAINING,
        started_at=run.created or None,
        job=run.job,
        mlflow_run=run.origin.mlflow_run or None,
    )


def _prune(situation: Situation) -> Iterator[Delete]:
    for run in superfluous(situation):
        yield Delete("batch/v1", "Job", run.job, run.job_uid)


def _wake(situation: Situation, step: Step, problem: Problem | None) -> datetime | None:
    """When to look again although nothing was heard; None where only a change can bring something new."""
    if step.wake is not None:
        return step.wake
    times: list[datetime] = []
    if problem is not None:
        times.append(situation.now + (ANSWER_POLL if problem.reason in WAITED_FOR else POLL))
    if step.active is not None:
        times.append(situation.now + POLL)
    if not situation.paused:
        tables = (table for table in situation.tables.values() if isinstance(table, Timetable))
        times += [fire for table in tables if (fire := table.next(situation.now)) is not None]
        times += [situation.cooling_until] if situation.cooling_until and situation.due else []
    return min(times, default=None)

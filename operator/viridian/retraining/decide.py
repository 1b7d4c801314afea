"""One pass over a RetrainPolicy: from its snapshot to a plan. Pure, total, and idempotent once carried out.

A run goes through the same few steps, one or two per pass, each because the world shows that the one before it was
taken: its record is made; the MLflow run is created; the Job is applied; how the Job ended is noted on the record; what
it made is registered, judged, handed over, and the outcome is written on the record. Nothing is decided by the status:
that is a cache for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from viridian.api import reasons
from viridian.api.feedback import FrozenRows as FrozenRows
from viridian.api.registry import TAG_POLICY, TAG_REASONS
from viridian.api.retrainpolicy import ActiveRun
from viridian.core.intent import apply_unless_covered
from viridian.core.intent import stamp as with_intent
from viridian.core.model_owners import Standing
from viridian.core.plan import Action, Annotate, Apply, CreateRun, Delete, Event, EventType, Plan
from viridian.retraining import endings, owners
from viridian.retraining.checks import WAITED_FOR, Problem, answer_problem, first_problem
from viridian.retraining.jobs import job, origin_now
from viridian.retraining.objects import text
from viridian.retraining.progress import changes_at, to_note, untraced
from viridian.retraining.pruning import superfluous
from viridian.retraining.questions import experiment_of, questions
from viridian.retraining.records import TRAINING, RunOrigin, dump_notes, record, revision
from viridian.retraining.results import OPEN, Ending, from_mlflow, has_ended, trained
from viridian.retraining.runs import Run
from viridian.retraining.schedule import Timetable
from viridian.retraining.since import noted
from viridian.retraining.situation import RetrainingState, Start, read, with_outcome
from viridian.retraining.snapshot import Answers, RetrainingInput
from viridian.retraining.status import invalid_status, news, status
from viridian.retraining.triggers import wanted

POLL: Final = timedelta(seconds=60)
"""How often a run at work is looked at although nothing was heard of it."""
ANSWER_POLL: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """What this pass does about the run that matters now."""

    actions: tuple[Action, ...] = ()
    # The run as the status is to show it.
    active: ActiveRun | None = None
    # The situation once the outcome is written down that this step writes.
    after: RetrainingState | None = None
    wake: datetime | None = None
    summary: str = ""


def decide(snapshot: RetrainingInput, now: datetime) -> Plan:
    """What to do about this RetrainPolicy, now."""
    facts = snapshot.facts
    if facts.deleting:
        return Plan(summary="it is being deleted: its Jobs and records go with it")
    if facts.spec is None:
        return Plan(status=invalid_status(facts, now), summary=facts.invalid)
    situation = read(facts, facts.spec, now)
    problem = first_problem(situation) or answer_problem(snapshot.registry)
    step = _remember(situation)
    if step is None and (problem is not None or not isinstance(snapshot.registry, Answers)):
        step = _held_up(situation)
    elif step is None and isinstance(snapshot.registry, Answers):
        if snapshot.registry.questions != questions(situation):
            return Plan(wake=now, summary="something was due while the world was being read: look again")
        step, problem = _permitted(situation, _next_step(situation, snapshot.registry), snapshot.registry)
    return _plan(situation, step or RunStep(), problem)


def _permitted(situation: RetrainingState, step: RunStep, answers: Answers) -> tuple[RunStep, Problem | None]:
    """The step, where the registered model is the namespace's own; else the claim on it, or why nothing goes on."""
    if not owners.needs_the_model(step.actions):
        return step, None
    found = owners.verdict(situation, answers)
    match found.standing:
        case Standing.OWN:
            return step, None
        case Standing.UNCLAIMED:
            claimed = f"the registered model {answers.questions.owners_of} is claimed"
            active = _at_work(situation.active) if situation.active else None
            claim = owners.claim(situation, answers)
            return RunStep(actions=(claim,), active=active, wake=situation.now, summary=claimed), None
        case Standing.FOREIGN:
            return _held_up(situation), owners.not_yours(found)


def _plan(situation: RetrainingState, step: RunStep, problem: Problem | None) -> Plan:
    next_status = status(step.after or situation, problem, step.active)
    return Plan(
        actions=(*_keep_records(situation), *step.actions, *_clear(situation)),
        status=next_status,
        news=tuple(news(situation.facts.status, next_status)),
        wake=_wake(situation, step, problem),
        summary=step.summary or (problem.message if problem else ""),
    )


# ---- what others may take away is written down first


def _keep_records(situation: RetrainingState) -> Iterator[Action]:
    """Since when schedules hold; and records that have lost their owner are adopted again."""
    facts = situation.facts
    yield from noted(facts, situation.since)
    for run in situation.runs:
        known = run.record
        data = known.manifest.get("data") or {}
        intent = revision(facts.name, facts.namespace, facts.uid, known.name, known.number, data, run.id)
        adopt = apply_unless_covered(intent, known.manifest)
        if adopt is not None:
            yield adopt


def _remember(situation: RetrainingState) -> RunStep | None:
    """What has to be noted before anything else is done, whatever keeps the policy from going on."""
    if situation.unrecorded:
        lost = tuple(_record(situation, run, origin) for run, origin in situation.unrecorded)
        return RunStep(actions=lost, wake=situation.now, summary="a record is made again from its Job")
    run = situation.active
    if run is None:
        return None
    note = to_note(run, situation.now)
    if note == run.note:
        return None
    action = Annotate("apps/v1", "ControllerRevision", run.record.name, dump_notes(note))
    summary = f"run {run.id}: {note.ending.state if note.ending else 'at work'}"
    return RunStep(actions=(action,), active=_at_work(run), wake=situation.now, summary=summary)


def _record(situation: RetrainingState, run: str, origin: RunOrigin) -> Apply:
    facts = situation.facts
    number = max((known.record.number for known in situation.runs), default=0) + 1
    return Apply(with_intent(record(facts.name, facts.namespace, facts.uid, run, number, origin)))


# ---- the run


def _held_up(situation: RetrainingState) -> RunStep:
    """Nothing can be done now; what is under way goes on."""
    return RunStep(active=_at_work(situation.active) if situation.active else None)


def _next_step(situation: RetrainingState, answers: Answers) -> RunStep:
    run = situation.active
    if run is None:
        return _begin(situation, situation.start) if situation.start is not None else RunStep()
    if run.ending is not None:
        return _follow(situation, run, run.ending, answers)
    if untraced(run, situation.now):
        return _without_a_trace(situation, run, answers)
    return RunStep(active=_at_work(run))


def _begin(situation: RetrainingState, start: Start) -> RunStep:
    """The record is first: from here on the run is not forgotten, whatever becomes of everything else."""
    action = _record(situation, start.id, origin_now(situation, start.causes))
    summary = f"run {start.id} begins: {', '.join(start.reasons)}"
    active = ActiveRun(id=start.id, reasons=start.reasons[:20], stage=TRAINING)
    return RunStep(actions=(action,), active=active, wake=situation.now, summary=summary)


def _without_a_trace(situation: RetrainingState, run: Run, answers: Answers) -> RunStep:
    """There is no Job: it was not made yet, or it is gone, and only MLflow knows what became of it."""
    mlflow = answers.run
    if not run.note.job and mlflow is None:
        if not wanted(situation.facts, situation.spec, situation.tables, run):
            gone = Delete("apps/v1", "ControllerRevision", run.record.name, run.record.uid)
            return RunStep(actions=(gone,), wake=situation.now, summary=f"run {run.id} is not wanted any more")
        tags = {
            TAG_POLICY: f"{situation.facts.namespace}/{situation.facts.name}",
            TAG_REASONS: json.dumps(run.reasons, ensure_ascii=False),
        }
        create = CreateRun(experiment_of(situation.facts), run.id, tags)
        return RunStep(actions=(create,), active=_at_work(run), wake=situation.now, summary=f"run {run.id} begins")
    if not run.note.job and mlflow is not None and mlflow.status in OPEN and not trained(mlflow):
        return _launch(situation, run, mlflow.run_id, answers.rows)
    restored = not run.note.job and mlflow is not None and mlflow.status not in OPEN
    ending = from_mlflow(mlflow, situation.now, restored=restored)
    return _note_ending(situation, run, ending)


def _note_ending(situation: RetrainingState, run: Run, ending: Ending) -> RunStep:
    note = msgspec.structs.replace(run.note, ending=ending)
    action = Annotate("apps/v1", "ControllerRevision", run.record.name, dump_notes(note))
    summary = f"run {run.id}: its Job is gone; {ending.state}, as MLflow shows it"
    return RunStep(actions=(action,), active=_at_work(run), wake=situation.now, summary=summary)


def _launch(situation: RetrainingState, run: Run, mlflow_run: str, rows: FrozenRows | None) -> RunStep:
    """What has become due since the record was made is answered by the same Job."""
    origin = origin_now(situation, tuple(dict.fromkeys([*run.origin.causes, *situation.due])), mlflow_run)
    caused = tuple(cause.identity for cause in origin.causes)
    message = f"run {run.id} trains as Job {run.job_name}: {', '.join(caused)}"
    told = Event(EventType.NORMAL, reasons.EVENT_RUN_STARTED, message)
    action = Apply(with_intent(job(situation, run, origin, rows)), tells=(told,))
    there = ("Job", run.job_name) not in situation.facts.obstacles
    active = _active(run, job_name=run.job_name if there else "", mlflow_run=mlflow_run, caused=caused)
    return RunStep(actions=(action,), active=active, summary=f"run {run.id} trains: {', '.join(caused)}")


def _follow(situation: RetrainingState, run: Run, ending: Ending, answers: Answers) -> RunStep:
    step = endings.step(situation, run, ending, answers)
    if step.finished is None:
        return RunStep(
            actions=step.actions, active=_at_work(run), wake=situation.now, summary=f"run {run.id} has ended"
        )
    summary = f"run {run.id}: {step.finished.outcome}: {step.finished.message}"
    after = with_outcome(situation, run, step.finished)
    return RunStep(actions=step.actions, after=after, wake=situation.now, summary=summary)


def _at_work(run: Run) -> ActiveRun:
    job_name = run.job_name if run.job is not None or run.note.job else ""
    return _active(run, job_name=job_name, mlflow_run=run.note.mlflow_run, caused=run.reasons)


def _active(run: Run, *, job_name: str, mlflow_run: str, caused: tuple[str, ...]) -> ActiveRun:
    return ActiveRun(
        id=run.id,
        reasons=caused[:20],
        stage=TRAINING,
        started_at=run.created or None,
        job=job_name or None,
        mlflow_run=mlflow_run or None,
    )


# ---- what has had its time


def _clear(situation: RetrainingState) -> Iterator[Delete]:
    """Jobs that go on although their run has ended; and old runs, of which the record goes last."""
    old = {run.id for run in superfluous(situation)}
    for run in situation.runs:
        lingers = run.ending is not None and not has_ended(run.job)
        there = run.job is not None and not text(run.job, "metadata", "deletionTimestamp")
        if there and (lingers or run.id in old):
            yield Delete("batch/v1", "Job", run.job_name, text(run.job, "metadata", "uid"))
        if run.id in old:
            # A Job without its record would be taken for a run that is not decided about.
            after = (("Job", run.job_name),)
            yield Delete("apps/v1", "ControllerRevision", run.record.name, run.record.uid, after)


def _wake(situation: RetrainingState, step: RunStep, problem: Problem | None) -> datetime | None:
    """When to look again although nothing was heard; None where only a change can bring something new."""
    if step.wake is not None:
        return step.wake
    times: list[datetime] = []
    if problem is not None:
        times.append(situation.now + (ANSWER_POLL if problem.reason in WAITED_FOR else POLL))
    if step.active is not None:
        times.append(situation.now + POLL)
    if situation.active is not None and (change := changes_at(situation.active, situation.now)) is not None:
        times.append(change)
    if not situation.paused:
        tables = (table for table in situation.tables.values() if isinstance(table, Timetable))
        times += [fire for table in tables if (fire := table.next(situation.now)) is not None]
        times += [situation.cooling_until] if situation.cooling_until and situation.due else []
    return min(times, default=None)

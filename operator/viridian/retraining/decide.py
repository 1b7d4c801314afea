"""One pass over a RetrainPolicy: from its input to a plan. Pure, total, and idempotent once carried out.

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
from viridian.core.intent import apply_unless_covered, with_intent_hash
from viridian.core.lookup import text
from viridian.core.model_owners import Standing
from viridian.core.plan import Action, Annotate, Apply, CreateRun, Delete, Event, EventType, Plan
from viridian.retraining import completion, owners
from viridian.retraining.checks import WAITED_FOR, Problem, first_problem, registry_problem
from viridian.retraining.input import RegistryResult, RetrainingInput
from viridian.retraining.pruning import prunable
from viridian.retraining.queries import experiment_of, query_of
from viridian.retraining.records import TRAINING, RunOrigin, dump_notes, record, revision
from viridian.retraining.runs import Run
from viridian.retraining.stages.job import job, origin_now
from viridian.retraining.stages.progress import changes_at, to_note, untraced
from viridian.retraining.stages.result import OPEN, Ending, from_mlflow, has_ended, trained
from viridian.retraining.state import DueRun, RetrainingState, read_state, with_outcome
from viridian.retraining.status import invalid_status, news, status
from viridian.retraining.triggers.pending import wanted
from viridian.retraining.triggers.since import noted
from viridian.retraining.triggers.timetable import Timetable

POLL: Final = timedelta(seconds=60)
"""How often a run at work is looked at although nothing was heard of it."""
REGISTRY_POLL: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """What this pass does about the run that matters now."""

    actions: tuple[Action, ...] = ()
    # The run as the status is to show it.
    active: ActiveRun | None = None
    # The state once the outcome is written down that this step writes.
    after: RetrainingState | None = None
    wake: datetime | None = None
    summary: str = ""


def decide(given: RetrainingInput, now: datetime) -> Plan:
    """What to do about this RetrainPolicy, now."""
    facts = given.facts
    if facts.deleting:
        return Plan(summary="it is being deleted: its Jobs and records go with it")
    if facts.spec is None:
        return Plan(status=invalid_status(facts, now), summary=facts.invalid)
    state = read_state(facts, facts.spec, now)
    problem = first_problem(state) or registry_problem(given.registry)
    step = _remember(state)
    if step is None and (problem is not None or not isinstance(given.registry, RegistryResult)):
        step = _held_up(state)
    elif step is None and isinstance(given.registry, RegistryResult):
        if given.registry.query != query_of(state):
            return Plan(wake=now, summary="something was due while the world was being read: look again")
        step, problem = _permitted(state, _next_step(state, given.registry), given.registry)
    return _plan(state, step or RunStep(), problem)


def _permitted(state: RetrainingState, step: RunStep, registry: RegistryResult) -> tuple[RunStep, Problem | None]:
    """The step, where the registered model is the namespace's own; else the claim on it, or why nothing goes on."""
    if not owners.needs_the_model(step.actions):
        return step, None
    found = owners.verdict(state, registry)
    match found.standing:
        case Standing.OWN:
            return step, None
        case Standing.UNCLAIMED:
            claimed = f"the registered model {registry.query.owners_of} is claimed"
            active = _at_work(state.active) if state.active else None
            claim = owners.claim(state, registry)
            return RunStep(actions=(claim,), active=active, wake=state.now, summary=claimed), None
        case Standing.FOREIGN:
            return _held_up(state), owners.not_yours(found)


def _plan(state: RetrainingState, step: RunStep, problem: Problem | None) -> Plan:
    next_status = status(step.after or state, problem, step.active)
    return Plan(
        actions=(*_keep_records(state), *step.actions, *_clear(state)),
        status=next_status,
        news=tuple(news(state.facts.status, next_status)),
        wake=_wake(state, step, problem),
        summary=step.summary or (problem.message if problem else ""),
    )


# ---- what others may take away is written down first


def _keep_records(state: RetrainingState) -> Iterator[Action]:
    """Since when schedules hold; and records that have lost their owner are adopted again."""
    facts = state.facts
    yield from noted(facts, state.since)
    for run in state.runs:
        known = run.record
        data = known.manifest.get("data") or {}
        intent = revision(facts.name, facts.namespace, facts.uid, known.name, known.number, data, run.id)
        adopt = apply_unless_covered(intent, known.manifest)
        if adopt is not None:
            yield adopt


def _remember(state: RetrainingState) -> RunStep | None:
    """What has to be noted before anything else is done, whatever keeps the policy from going on."""
    if state.unrecorded:
        lost = tuple(_record(state, run, origin) for run, origin in state.unrecorded)
        return RunStep(actions=lost, wake=state.now, summary="a record is made again from its Job")
    run = state.active
    if run is None:
        return None
    note = to_note(run, state.now)
    if note == run.note:
        return None
    action = Annotate("apps/v1", "ControllerRevision", run.record.name, dump_notes(note))
    summary = f"run {run.id}: {note.ending.state if note.ending else 'at work'}"
    return RunStep(actions=(action,), active=_at_work(run), wake=state.now, summary=summary)


def _record(state: RetrainingState, run: str, origin: RunOrigin) -> Apply:
    facts = state.facts
    number = max((known.record.number for known in state.runs), default=0) + 1
    return Apply(with_intent_hash(record(facts.name, facts.namespace, facts.uid, run, number, origin)))


# ---- the run


def _held_up(state: RetrainingState) -> RunStep:
    """Nothing can be done now; what is under way goes on."""
    return RunStep(active=_at_work(state.active) if state.active else None)


def _next_step(state: RetrainingState, registry: RegistryResult) -> RunStep:
    run = state.active
    if run is None:
        return _begin(state, state.start) if state.start is not None else RunStep()
    if run.ending is not None:
        return _follow(state, run, run.ending, registry)
    if untraced(run, state.now):
        return _without_a_trace(state, run, registry)
    return RunStep(active=_at_work(run))


def _begin(state: RetrainingState, start: DueRun) -> RunStep:
    """The record is first: from here on the run is not forgotten, whatever becomes of everything else."""
    action = _record(state, start.id, origin_now(state, start.causes))
    summary = f"run {start.id} begins: {', '.join(start.reasons)}"
    active = ActiveRun(id=start.id, reasons=start.reasons[:20], stage=TRAINING)
    return RunStep(actions=(action,), active=active, wake=state.now, summary=summary)


def _without_a_trace(state: RetrainingState, run: Run, registry: RegistryResult) -> RunStep:
    """There is no Job: it was not made yet, or it is gone, and only MLflow knows what became of it."""
    mlflow = registry.run
    if not run.note.job and mlflow is None:
        if not wanted(state.facts, state.spec, state.schedules, run):
            gone = Delete("apps/v1", "ControllerRevision", run.record.name, run.record.uid)
            return RunStep(actions=(gone,), wake=state.now, summary=f"run {run.id} is not wanted any more")
        tags = {
            TAG_POLICY: f"{state.facts.namespace}/{state.facts.name}",
            TAG_REASONS: json.dumps(run.reasons, ensure_ascii=False),
        }
        create = CreateRun(experiment_of(state.facts), run.id, tags)
        return RunStep(actions=(create,), active=_at_work(run), wake=state.now, summary=f"run {run.id} begins")
    if not run.note.job and mlflow is not None and mlflow.status in OPEN and not trained(mlflow):
        return _launch(state, run, mlflow.run_id, registry.rows)
    restored = not run.note.job and mlflow is not None and mlflow.status not in OPEN
    ending = from_mlflow(mlflow, state.now, restored=restored)
    return _note_ending(state, run, ending)


def _note_ending(state: RetrainingState, run: Run, ending: Ending) -> RunStep:
    note = msgspec.structs.replace(run.note, ending=ending)
    action = Annotate("apps/v1", "ControllerRevision", run.record.name, dump_notes(note))
    summary = f"run {run.id}: its Job is gone; {ending.state}, as MLflow shows it"
    return RunStep(actions=(action,), active=_at_work(run), wake=state.now, summary=summary)


def _launch(state: RetrainingState, run: Run, mlflow_run: str, rows: FrozenRows | None) -> RunStep:
    """What has become due since the record was made is answered by the same Job."""
    origin = origin_now(state, tuple(dict.fromkeys([*run.origin.causes, *state.due])), mlflow_run)
    caused = tuple(cause.identity for cause in origin.causes)
    message = f"run {run.id} trains as Job {run.job_name}: {', '.join(caused)}"
    told = Event(EventType.NORMAL, reasons.EVENT_RUN_STARTED, message)
    action = Apply(with_intent_hash(job(state, run, origin, rows)), tells=(told,))
    there = ("Job", run.job_name) not in state.facts.obstacles
    active = _active(run, job_name=run.job_name if there else "", mlflow_run=mlflow_run, caused=caused)
    return RunStep(actions=(action,), active=active, summary=f"run {run.id} trains: {', '.join(caused)}")


def _follow(state: RetrainingState, run: Run, ending: Ending, registry: RegistryResult) -> RunStep:
    step = completion.step(state, run, ending, registry)
    if step.finished is None:
        return RunStep(actions=step.actions, active=_at_work(run), wake=state.now, summary=f"run {run.id} has ended")
    summary = f"run {run.id}: {step.finished.outcome}: {step.finished.message}"
    after = with_outcome(state, run, step.finished)
    return RunStep(actions=step.actions, after=after, wake=state.now, summary=summary)


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


def _clear(state: RetrainingState) -> Iterator[Delete]:
    """Jobs that go on although their run has ended; and old runs, of which the record goes last."""
    old = {run.id for run in prunable(state)}
    for run in state.runs:
        lingers = run.ending is not None and not has_ended(run.job)
        there = run.job is not None and not text(run.job, "metadata", "deletionTimestamp")
        if there and (lingers or run.id in old):
            yield Delete("batch/v1", "Job", run.job_name, text(run.job, "metadata", "uid"))
        if run.id in old:
            # A Job without its record would be taken for a run that is not decided about.
            after = (("Job", run.job_name),)
            yield Delete("apps/v1", "ControllerRevision", run.record.name, run.record.uid, after)


def _wake(state: RetrainingState, step: RunStep, problem: Problem | None) -> datetime | None:
    """When to look again although nothing was heard; None where only a change can bring something new."""
    if step.wake is not None:
        return step.wake
    times: list[datetime] = []
    if problem is not None:
        times.append(state.now + (REGISTRY_POLL if problem.reason in WAITED_FOR else POLL))
    if step.active is not None:
        times.append(state.now + POLL)
    if state.active is not None and (change := changes_at(state.active, state.now)) is not None:
        times.append(change)
    if not state.paused:
        schedules = (timetable for timetable in state.schedules.values() if isinstance(timetable, Timetable))
        times += [fire for timetable in schedules if (fire := timetable.next(state.now)) is not None]
        times += [state.cooling_until] if state.cooling_until and state.due else []
    return min(times, default=None)

"""What a pass does about the run that matters now: the first step of a chain that has something to do.

A run goes through the same few steps, one or two per pass, each because the world shows that the one before it was
taken: its record is made; its MLflow run is created; the object of its stage is applied; how the stage ended is noted
on the record; what it made is registered, judged, handed over, and the outcome is written on the record.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from viridian.api import reasons
from viridian.api.names import OVERRIDE_ANNOTATION, REJECT_ANNOTATION
from viridian.api.registry import TAG_COMMANDS, TAG_POLICY, TAG_REASONS
from viridian.api.retrainpolicy_status import ActiveRun, FinishedRun
from viridian.api.run_stages import Stage
from viridian.api.stage import StageName
from viridian.core.intent import with_intent_hash
from viridian.core.plan import Action, Annotate, Apply, CreateRun, Delete, Event, EventType
from viridian.core.times import format_time
from viridian.retraining import completion
from viridian.retraining.checks import Problem
from viridian.retraining.input import RegistryResult
from viridian.retraining.launch import origin_at_launch, origin_now, stage_object
from viridian.retraining.mlflow_runs import OPEN, result_from_mlflow
from viridian.retraining.permission import Proposal
from viridian.retraining.progress import given, leaves_no_trace, may_launch, to_note
from viridian.retraining.queries import experiment_of
from viridian.retraining.records import RunOrigin, StageNote, dump_notes, record
from viridian.retraining.run_claim import claims_to_make, is_refused
from viridian.retraining.run_commands import dump_commands, parse_command
from viridian.retraining.runs import Run
from viridian.retraining.stage_cache import earlier_result, inputs_of
from viridian.retraining.stages.stage_table import planned_stages, stages_of
from viridian.retraining.stages.state import StageOutcome, StageResult
from viridian.retraining.state import RetrainingState, with_outcome
from viridian.retraining.triggers.pending import is_still_asked_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a step is chosen from."""

    state: RetrainingState
    # What keeps the policy from going on, in the cluster or at the registry.
    problem: Problem | None
    # Empty where the registry is not needed, or not there.
    registry: RegistryResult

    @property
    def run(self) -> Run:
        """The run at work, for steps that are asked only while there is one."""
        if self.state.active is None:
            raise LookupError("no run is at work")
        return self.state.active


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """What this pass does."""

    actions: tuple[Action, ...] = ()
    # The run as the status is to show it.
    active: ActiveRun | None = None
    # The state once the outcome is written down that this step writes.
    after: RetrainingState | None = None
    again: bool = False
    """Once it is done there is more to do: the next pass comes at once."""
    summary: str = ""


Step = Callable[[Turn], RunStep | None]


def first(steps: tuple[Step, ...], turn: Turn) -> RunStep | None:
    """The first step that has something to do."""
    return next((found for step in steps if (found := step(turn)) is not None), None)


# ---- what others may take away is written down first


def make_lost_records_again(turn: Turn) -> RunStep | None:
    lost = tuple(_record(turn.state, run, origin) for run, origin in turn.state.unrecorded)
    return RunStep(actions=lost, again=True, summary="a record is made again from its Job") if lost else None


def note_progress(turn: Turn) -> RunStep | None:
    run = turn.state.at_work
    note = to_note(run, turn.state.now) if run is not None else None
    if run is None or note is None or note == run.stage.note:
        return None
    return _note(run, note, str(note.result.outcome) if note.result else "at work")


# ---- the run


def wait_for_the_problem_to_end(turn: Turn) -> RunStep | None:
    return None if turn.problem is None else held_up(turn.state)


def begin_what_is_due(turn: Turn) -> RunStep | None:
    """The record is first: from here on the run is not forgotten, whatever becomes of everything else."""
    state, proposal = turn.state, turn.state.proposal
    if state.active is not None or proposal is None or not proposal.begins:
        return None
    due = proposal.run
    origin = _origin_of(state, proposal)
    action = _record(state, due.id, origin)
    active = ActiveRun(id=due.id, reasons=due.reasons[:20], stage=next(iter(origin.stages)))
    summary = f"run {due.id} begins: {', '.join(due.reasons)}"
    return RunStep(actions=(action,), active=active, again=True, summary=summary)


def _origin_of(state: RetrainingState, proposal: Proposal) -> RunOrigin:
    """What a run begins with. Where a person has overridden bad data, no stage of it looks at that data once more."""
    origin, data, monitors = origin_now(state, proposal.run.causes), state.data_quality, state.holds.monitor_pause
    override = data.override or (monitors.override if monitors is not None else "")
    stages = {
        name: kind for name, kind in origin.stages.items() if not (data.override and name == StageName.DATA_VALIDATION)
    }
    overridden = {OVERRIDE_ANNOTATION: override} if override else {}
    return dataclasses.replace(origin, commands={**overridden, **proposal.commands}, stages=stages)


def rest(turn: Turn) -> RunStep | None:
    return RunStep() if turn.state.active is None else None


def complete_the_ended_run(turn: Turn) -> RunStep | None:
    state, run = turn.state, turn.run
    if run.result is None:
        return None
    step = completion.step(state, run, run.result, turn.registry)
    if step.finished is None:
        return RunStep(actions=step.actions, active=shown(run), again=True, summary=f"run {run.id} has ended")
    summary = f"run {run.id}: {step.finished.outcome}: {step.finished.message}"
    after = with_outcome(state, run, step.finished)
    active = shown(after.at_work) if after.at_work is not None else None
    return RunStep(actions=step.actions, active=active, after=after, again=True, summary=summary)


def end_a_run_that_a_person_rejected(turn: Turn) -> RunStep | None:
    """Before it began. Its record stays, so that its causes are answered."""
    state, run = turn.state, turn.run
    rejection = parse_command(REJECT_ANNOTATION, run.record.origin.commands.get(REJECT_ANNOTATION, ""))
    if rejection is None or run.stage.note.seen:
        return None
    finished = FinishedRun(
        id=run.id,
        outcome=reasons.CANCELLED,
        reasons=run.reasons[:20],
        message=f"it was rejected {rejection.sentence}, before it began",
        started_at=run.created or None,
        finished_at=run.created or None,
        commands=dump_commands(run.record.origin.commands),
    )
    notes = dump_notes(run.record.notes, finished)
    tells = completion.events(finished)
    action = Annotate("apps/v1", "ControllerRevision", run.record.name, notes, tells=tells)
    return RunStep(actions=(action,), after=with_outcome(state, run, finished), again=True, summary=finished.message)


def end_what_goes_on(turn: Turn) -> RunStep | None:
    """Objects that are not watched are read while their run is at work, so they are deleted before its end."""
    run, obstacles = turn.run, turn.state.facts.obstacles
    going_on = [stage for stage in run.stages if not stage.kind.is_watched and stage.lingers]
    if run.result is None or not any(stage.target not in obstacles for stage in going_on):
        return None
    return RunStep(active=shown(run), again=True, summary=f"run {run.id}: {going_on[0].object_name} is deleted")


def let_the_stage_work(turn: Turn) -> RunStep | None:
    return None if leaves_no_trace(turn.run, turn.state.now) else RunStep(active=shown(turn.run))


def cancel_a_stage_that_the_policy_has_no_more(turn: Turn) -> RunStep | None:
    run, stage = turn.run, turn.run.stage
    begun_with = run.record.origin.stages.get(stage.name)
    if stage.note.seen or planned_stages(turn.state.spec).get(stage.name) == begun_with:
        return None
    why = f"the policy has no stage {stage.name} of the kind {stage.kind.kind} any more"
    result = StageResult(outcome=StageOutcome.CANCELLED, at=format_time(turn.state.now), message=why)
    return _note_result(run, result, why)


def cancel_a_run_that_mlflow_has_lost(turn: Turn) -> RunStep | None:
    run = turn.run
    if run.stage.note.seen or turn.registry.run is not None or not run.mlflow_run:
        return None
    why = f"its MLflow run {run.mlflow_run} was deleted before the stage {run.stage.name} had begun"
    result = StageResult(outcome=StageOutcome.CANCELLED, at=format_time(turn.state.now), message=why)
    return _note_result(run, result, why)


def drop_a_run_that_nobody_asks_for(turn: Turn) -> RunStep | None:
    state, run = turn.state, turn.run
    if run.has_begun or turn.registry.run is not None:
        return None
    if run.record.origin.commands or is_still_asked_for(run, state.triggers, suspended=state.spec.suspend):
        return None
    gone = Delete("apps/v1", "ControllerRevision", run.record.name, run.record.uid)
    return RunStep(actions=(gone,), again=True, summary=f"run {run.id} is not asked for any more")


def create_its_mlflow_run(turn: Turn) -> RunStep | None:
    run, facts = turn.run, turn.state.facts
    if run.stage.note.seen or turn.registry.run is not None:
        return None
    tags = {TAG_POLICY: f"{facts.namespace}/{facts.name}", TAG_REASONS: json.dumps(run.reasons, ensure_ascii=False)}
    if commands := run.record.origin.commands:
        tags[TAG_COMMANDS] = json.dumps(dict(commands), ensure_ascii=False)
    create = CreateRun(experiment_of(facts), run.id, tags)
    return RunStep(actions=(create,), active=shown(run), again=True, summary=f"run {run.id} begins")


def take_an_earlier_result(turn: Turn) -> RunStep | None:
    state, run, launch = turn.state, turn.run, _launch(turn)
    found = earlier_result(state, run, launch.spec, launch.origin.inputs) if launch is not None else None
    if launch is None or found is None:
        return None
    worked_in, earlier = found
    result = replace(earlier, at=format_time(state.now), failures=0, cpu_seconds=0.0, spot=False)
    note = replace(given(run, run.stage.note, launch.origin), mlflow_run="", cached=worked_in, result=result)
    return _note(run, note, f"{run.stage.name} works on what it worked on in run {worked_in}: its result counts")


@dataclass(frozen=True, slots=True)
class _Launch:
    """What a stage is begun with."""

    spec: Stage
    origin: RunOrigin


def _launch(turn: Turn) -> _Launch | None:
    """None where the stage may have begun already."""
    state, run, mlflow = turn.state, turn.run, turn.registry.run
    if mlflow is None or not may_launch(run, mlflow):
        return None
    spec, origin = stages_of(state.spec)[run.stage.name], origin_at_launch(state, run, mlflow.run_id)
    inputs = inputs_of(state, run, spec, origin, turn.registry.rows)
    return _Launch(spec, dataclasses.replace(origin, inputs=inputs))


def launch_its_stage(turn: Turn) -> RunStep | None:
    state, run, launch = turn.state, turn.run, _launch(turn)
    if launch is None:
        return None
    claims = tuple(claims_to_make(state, run))
    if is_refused(state, claims):
        return RunStep(actions=claims, active=shown(run), summary=f"run {run.id} waits for its volume")
    origin, stage = launch.origin, run.stage
    caused = tuple(cause.identity for cause in origin.causes)
    what = f"{stage.name} as {stage.kind.kind} {stage.object_name}"
    reason = reasons.EVENT_STAGE_STARTED if run.has_begun else reasons.EVENT_RUN_STARTED
    message = f"run {run.id}: {what}" + ("" if run.has_begun else f": {', '.join(caused)}")
    manifest = stage_object(state, run, launch.spec, origin, turn.registry.rows)
    action = Apply(with_intent_hash(manifest), tells=(Event(EventType.NORMAL, reason, message),))
    is_there = stage.target not in state.facts.obstacles
    active = _active(run, job=stage.object_name if is_there else "", mlflow_run=origin.mlflow_run, reasons=caused)
    return RunStep(actions=(*claims, action), active=active, summary=message)


def take_the_result_from_mlflow(turn: Turn) -> RunStep:
    """The object is gone, or was never noted, and only MLflow knows what became of it."""
    run, mlflow = turn.run, turn.registry.run
    restored = not run.has_begun and mlflow is not None and mlflow.status not in OPEN
    if not restored and run.stage.name != StageName.TRAINING:
        why = f"nothing shows how the stage {run.stage.name} ended: its {run.stage.kind.kind} is gone"
        result = StageResult(outcome=StageOutcome.CANCELLED, at=format_time(turn.state.now), message=why)
        return _note_result(run, result, why)
    result = result_from_mlflow(mlflow, turn.state.now, restored=restored)
    return _note_result(run, result, f"its {run.stage.kind.kind} is gone, and MLflow shows how it ended")


MEMORY: Final[tuple[Step, ...]] = (
    make_lost_records_again,  # an object without its record would be a run that nobody remembers
    note_progress,  # object and pods may go at any time
)
"""Done before anything else, whatever keeps the policy from going on."""

STEPS: Final[tuple[Step, ...]] = (
    wait_for_the_problem_to_end,
    begin_what_is_due,
    rest,  # from here on a run is at work
    end_a_run_that_a_person_rejected,
    end_what_goes_on,
    complete_the_ended_run,
    let_the_stage_work,
    # From here on nothing shows how the stage is: it has not begun, or object and pods are gone.
    cancel_a_stage_that_the_policy_has_no_more,
    drop_a_run_that_nobody_asks_for,
    cancel_a_run_that_mlflow_has_lost,
    create_its_mlflow_run,
    take_an_earlier_result,
    launch_its_stage,
    take_the_result_from_mlflow,
)


def held_up(state: RetrainingState) -> RunStep:
    """Nothing can be done now; what is under way goes on."""
    return RunStep(active=shown(state.active) if state.active else None)


def shown(run: Run) -> ActiveRun:
    """The run as the status shows it."""
    stage = run.stage
    job = stage.object_name if stage.found is not None or stage.note.seen else ""
    return _active(run, job=job, mlflow_run=run.mlflow_run, reasons=run.reasons)


def _active(run: Run, *, job: str, mlflow_run: str, reasons: tuple[str, ...]) -> ActiveRun:
    return ActiveRun(
        id=run.id,
        reasons=reasons[:20],
        stage=run.stage.name,
        started_at=run.created or None,
        job=job or None,
        mlflow_run=mlflow_run or None,
    )


def _record(state: RetrainingState, run: str, origin: RunOrigin) -> Apply:
    number = max((known.record.number for known in state.runs), default=0) + 1
    return Apply(with_intent_hash(record(state.facts, run, number, origin)))


def _note_result(run: Run, result: StageResult, why: str) -> RunStep:
    return _note(run, replace(run.stage.note, result=result), f"{result.outcome}: {why}")


def _note(run: Run, note: StageNote, what: str) -> RunStep:
    """Write down what is known of the stage that the run is in."""
    action = Annotate("apps/v1", "ControllerRevision", run.record.name, dump_notes(run.notes_with(note)))
    return RunStep(actions=(action,), active=shown(run), again=True, summary=f"run {run.id}: {what}")

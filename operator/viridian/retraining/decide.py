"""One pass over a RetrainPolicy: from its input to a plan. Pure, total, and idempotent once carried out.

What is done about the run that matters now is chosen in `steps`. Nothing is decided by the status: that is a cache for
people.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from viridian.api.automation import Mode
from viridian.core.intent import apply_unless_covered
from viridian.core.lookup import text
from viridian.core.model_owners import Standing
from viridian.core.plan import Action, Delete, Plan
from viridian.retraining import owners
from viridian.retraining.budget import status_of
from viridian.retraining.checks import WAITED_FOR, Problem, registry_problem
from viridian.retraining.data_polls import PollStep, poll_step
from viridian.retraining.hand_over_limit import next_leaves_at
from viridian.retraining.input import RegistryResult
from viridian.retraining.interpret import RetrainingInput
from viridian.retraining.progress import changes_at
from viridian.retraining.pruning import next_prunable_event, prunable, prunable_events
from viridian.retraining.records import revision
from viridian.retraining.run_claim import claim_target, claims_to_delete
from viridian.retraining.state import RetrainingState
from viridian.retraining.status import events, invalid_status, status
from viridian.retraining.steps import MEMORY, STEPS, RunStep, Turn, first, held_up
from viridian.retraining.triggers.noted import to_note
from viridian.retraining.triggers.since import note_since

POLL: Final = timedelta(seconds=60)
"""How often a run at work is looked at although nothing was observed."""
LOOK: Final = timedelta(seconds=10)
"""How often an object is read that is not watched, while it works."""
REGISTRY_POLL: Final = timedelta(seconds=15)


def decide(given: RetrainingInput) -> Plan:
    """What to do about this RetrainPolicy, now."""
    state, known = given.state, given.registry
    if given.facts.deleting:
        return Plan(summary="it is being deleted: its Jobs and records go with it")
    if state is None:
        return Plan(status=invalid_status(given.facts, given.now), summary=given.facts.invalid)
    problem = given.problem or registry_problem(known)
    if state.spec.mode is Mode.OBSERVE:
        return _observed(state, problem)
    turn = Turn(state=state, problem=problem, registry=known if isinstance(known, RegistryResult) else RegistryResult())
    step = first(MEMORY, turn)
    if step is None:
        if problem is None and turn.registry.query != given.query:
            return Plan(wake=given.now, summary="something was due while the world was being read: look again")
        step, problem = _permitted(turn, first(STEPS, turn) or RunStep())
    return _plan(state, step, problem)


def _observed(state: RetrainingState, problem: Problem | None) -> Plan:
    """Nothing but the status and its Events: what is under way is left as it is."""
    step = held_up(state)
    next_status = status(state, problem, step.active)
    news = tuple(events(state.facts.status, next_status))
    wake = _wake(state, step, problem, poll_step(state))
    return Plan(status=next_status, news=news, wake=wake, summary="spec.mode is Observe")


def _permitted(turn: Turn, step: RunStep) -> tuple[RunStep, Problem | None]:
    """The step, where the registered model is the namespace's own; else the claim on it, or why nothing goes on."""
    if not owners.needs_the_model(step.actions):
        return step, turn.problem
    state, registry = turn.state, turn.registry
    found = owners.verdict(state, registry)
    match found.standing:
        case Standing.OWN:
            return step, None
        case Standing.UNCLAIMED:
            claimed = f"the registered model {registry.query.owners_of} is claimed"
            claim, active = owners.claim(state, registry), held_up(state).active
            return RunStep(actions=(claim,), active=active, again=True, summary=claimed), None
        case Standing.FOREIGN:
            return held_up(state), owners.not_yours(found)


def _plan(state: RetrainingState, step: RunStep, problem: Problem | None) -> Plan:
    next_status, polls = status(step.after or state, problem, step.active), poll_step(state)
    return Plan(
        actions=(*_keep_records(state), *polls.actions, *step.actions, *_clear(state)),
        status=next_status,
        news=tuple(events(state.facts.status, next_status)),
        wake=state.now if step.again else _wake(state, step, problem, polls),
        summary=step.summary or (problem.message if problem else ""),
    )


def _keep_records(state: RetrainingState) -> Iterator[Action]:
    """What is remembered of triggers; and records that have lost their owner are adopted again."""
    yield from note_since(state.facts, state.since, to_note(state.triggers, state.pending), state.holds.monitor_pause)
    for known in (run.record for run in state.runs):
        intent = revision(state.facts, known.name, known.number, known.manifest.get("data") or {}, known.run)
        adopt = apply_unless_covered(intent, known.manifest)
        if adopt is not None:
            yield adopt


def _clear(state: RetrainingState) -> Iterator[Delete]:
    """Objects that go on although their stage has ended; old runs, of which the record goes last; and old events."""
    old = {run.id for run in prunable(state)}
    yield from claims_to_delete(state, old)
    for run in state.runs:
        for stage in run.stages:
            uid = text(stage.found, "metadata", "uid") or (stage.note.uid if run.id in old else "")
            if uid and not stage.is_deleting and (stage.lingers or run.id in old):
                yield Delete(stage.kind.api_version, stage.kind.kind, stage.object_name, uid)
        if run.id in old:
            # An object without its record would be taken for a run that is not decided about.
            after = (*(stage.target for stage in run.stages), claim_target(state, run))
            yield Delete("apps/v1", "ControllerRevision", run.record.name, run.record.uid, after)
    for event in prunable_events(state):
        yield Delete("apps/v1", "ControllerRevision", event.name, event.uid)


def _wake(state: RetrainingState, step: RunStep, problem: Problem | None, polls: PollStep) -> datetime | None:
    """When to look again although nothing was observed; None where only a change can bring something new."""
    times: list[datetime | None] = [next_prunable_event(state), polls.next]
    if problem is not None:
        times.append(state.now + (REGISTRY_POLL if problem.reason in WAITED_FOR else POLL))
    if step.active is not None:
        times.append(state.now + (POLL if state.at_work is None or state.at_work.stage.kind.is_watched else LOOK))
    if state.at_work is not None:
        times.append(changes_at(state.at_work.stage, state.now))
    if state.data_quality.again_at is not None and state.pending and state.now < state.data_quality.again_at:
        times.append(state.data_quality.again_at)
    if not state.holds.paused or state.data_quality.again_at is not None:
        times += [trigger.next for trigger in state.triggers]
        times.append(state.holds.cooling_until if state.pending else None)
    times += [pause.until for pause in state.holds.pauses]
    times.append(state.spending.resets_at if status_of(state.spending) is not None else None)
    times.append(next_leaves_at(state.spec.budget, state.hand_overs))
    times += [hold.until for hold in state.held.values()]
    times += [trigger.look_again for trigger in state.triggers]
    return min((time for time in times if time is not None), default=None)

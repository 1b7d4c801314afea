"""What the operator would do about an edited RetrainPolicy, in sentences, by the code that decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.automation import Mode
from viridian.api.gate_spec import GateApproval
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.api.retrainpolicy_status import TriggerStatus
from viridian.cli.files import UnusableFile, name_of
from viridian.cli.live_policy import DecidedPolicy, LivePolicy, decided_policy
from viridian.core.lookup import entries, text
from viridian.core.plan import Apply, Delete, Plan
from viridian.core.times import format_time
from viridian.retraining.budget import status_of
from viridian.retraining.permission import Proposal
from viridian.retraining.runs import Run
from viridian.retraining.stages.stage_table import planned_stages
from viridian.retraining.state import RetrainingState
from viridian.retraining.trigger_status import trigger_statuses
from viridian.retraining.triggers.labels import LABELS
from viridian.retraining.triggers.query import QUERY
from viridian.retraining.triggers.trigger_state import TriggerState
from viridian.retraining.workflow_defaults import effective, workflow_of
from viridian.trail.spec_changes import differences, kept

_NOT_ASKED: Final = {QUERY: "Prometheus", LABELS: "the collector"}
"""Whom a source asks, which `plan` does not."""
_HAND_OVER: Final = {
    GateApproval.AUTO: "is handed to the rollout",
    GateApproval.REQUIRED: "waits for the approval of a person",
    GateApproval.AUTO_IF_SUPERIOR: "is handed to the rollout if it beats the champion, else it waits for a person",
}


def policy_plan(
    stored: LivePolicy | None, edited: Mapping[str, Any], deployment: Mapping[str, Any] | None, now: datetime
) -> Iterator[str]:
    """What becomes of the policy once the edit is applied, a sentence a line.

    `stored` is None where the cluster does not have the policy yet; `deployment` is the ModelDeployment that it names,
    None where neither the cluster nor the files have it.
    """
    promoted = bool(text(deployment, "status", "champion", "version")) if deployment is not None else False
    changes = _changes(stored, edited, promoted=promoted) if stored is not None else ()
    after = decided_policy(_applied(stored, edited, now, is_edited=bool(changes)), deployment, now)
    found = (
        *_edit(stored, changes),
        *_run_at_work(after.state),
        *_run_of_the_policy(after.state),
        *_triggers(after.state),
        *_bounds(after.state),
        *_next_pass(after, is_new=stored is None),
    )
    yield f"{edited['metadata']['namespace']}/{name_of(edited)}, RetrainPolicy:"
    yield from (f"  {sentence}" for sentence in found)


def _applied(stored: LivePolicy | None, edited: Mapping[str, Any], now: datetime, *, is_edited: bool) -> LivePolicy:
    """The world once the edit is applied. Who wrote which field when is not known of it any more."""
    metadata, spec = edited["metadata"], edited.get("spec") or {}
    if stored is None:
        new = {"uid": "", "generation": 1, "creationTimestamp": format_time(now), **metadata}
        return LivePolicy({**edited, "metadata": new, "spec": spec})
    known = stored.manifest["metadata"]
    annotations = {**(known.get("annotations") or {}), **(metadata.get("annotations") or {})}
    after = {**known, "annotations": annotations}
    if is_edited:
        after |= {"generation": known.get("generation", 0) + 1, "managedFields": []}
    return replace(stored, manifest={**stored.manifest, "metadata": after, "spec": spec})


def _changes(stored: LivePolicy, edited: Mapping[str, Any], *, promoted: bool) -> tuple[str, ...]:
    """What differs in the settings that are in force, so that a default which only one side writes is no change."""
    before, after = (kept(_settings(one, promoted=promoted)) for one in (stored.manifest, edited))
    return differences(before, after)


def _settings(manifest: Mapping[str, Any], *, promoted: bool) -> Any:
    spec = effective(manifest.get("spec") or {}, workflow_of(manifest, promoted=promoted))
    try:
        return _without_null(msgspec.to_builtins(msgspec.convert(spec, RetrainPolicySpec)))
    except msgspec.ValidationError as error:
        raise UnusableFile(f"RetrainPolicy {name_of(manifest)}: spec: {error} (see `kubectl viridian lint`)") from error


def _without_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_null(inner) for name, inner in value.items() if inner is not None}
    return [_without_null(inner) for inner in value] if isinstance(value, list) else value


def _edit(stored: LivePolicy | None, changes: tuple[str, ...]) -> Iterator[str]:
    if stored is None:
        yield "The cluster does not have it yet."
    elif not changes:
        yield "This edit changes no setting."
    yield from (f"spec.{change}" if not change.startswith("and ") else f"{change} changes" for change in changes)


def _run_at_work(state: RetrainingState) -> Iterator[str]:
    """A run keeps the stages that it began with; what they are made of is read when each of them begins."""
    run = state.at_work
    if run is None:
        return
    yield f"Run {run.id} is at work in its stage {run.stage.name}, and goes on; triggers wait for its end."
    planned = planned_stages(state.spec)
    coming = _coming(run)
    lost = [name for name, kind in coming.items() if planned.get(name) != kind]
    kept_stages = [name for name in coming if name not in lost]
    if kept_stages:
        yield f"Its stages that have not begun take the new spec: {', '.join(kept_stages)}."
    if lost:
        yield f"It is cancelled at its stage {lost[0]} ({coming[lost[0]]}), which the new spec does not have."


def _coming(run: Run) -> Mapping[str, str]:
    """Name and kind of its stages that have not begun."""
    begun = {stage.name for stage in run.stages if stage.has_begun}
    return {name: kind for name, kind in run.record.origin.stages.items() if name not in begun}


def _run_of_the_policy(state: RetrainingState) -> Iterator[str]:
    """What a run does that begins after the edit."""
    stages = ", ".join(f"{name} ({kind})" for name, kind in planned_stages(state.spec).items())
    gate = state.spec.gate
    metrics = ", ".join(metric.name for metric in gate.metrics)
    judged = f"the gate judges by {gate.rule}{f' of {metrics}' if metrics else ''}"
    yield f"A run has the stages {stages}; then {judged}, and what passes {_HAND_OVER[gate.approval]}."


def _triggers(state: RetrainingState) -> Iterator[str]:
    shown = {trigger.name: trigger for trigger in trigger_statuses(state)}
    for trigger in state.triggers:
        if trigger.name:
            yield f"Trigger {trigger.name} ({trigger.source}) {_trigger(state, trigger, shown[trigger.name])}."
    if not shown:
        yield "No trigger starts a run; a person does by `kubectl viridian train`."


def _trigger(state: RetrainingState, trigger: TriggerState, shown: TriggerStatus) -> str:
    if trigger.problem:
        return f"does not fire: {trigger.problem}"
    if shown.suppressed is not None:
        return f"has fired and starts no run by itself: {shown.suppressed.message}"
    if any(cause in trigger.occurred for cause in state.pending):
        return f"has fired: {trigger.seen or trigger.occurred[-1].occurrence}"
    if shown.next is not None:
        return f"fires next at {shown.next}"
    if trigger.recurring is not None:
        return "fires once the pause has ended"
    if trigger.source in _NOT_ASKED and not trigger.seen:
        return f"asks {_NOT_ASKED[trigger.source]}, which this command does not"
    return f"waits{f'; it saw last: {shown.last_seen}' if shown.last_seen else ''}"


def _bounds(state: RetrainingState) -> Iterator[str]:
    """What keeps triggers from starting a run, and what is left of the budget."""
    yield from (f"Triggers are paused ({pause.reason}): {pause.message}." for pause in state.holds.pauses)
    if state.holds.cooling_until is not None:
        yield f"Triggers wait until {format_time(state.holds.cooling_until)}: spec.budget.cooldown."
    budget = status_of(state.spending, len(state.hand_overs))
    if budget is not None and budget.runs_left is not None:
        hours = f" and {budget.cpu_hours_left:g} CPU-hours" if budget.cpu_hours_left is not None else ""
        yield f"The budget has {budget.runs_left} runs{hours} left."


def _next_pass(after: DecidedPolicy, *, is_new: bool) -> Iterator[str]:
    state, plan = after.state, after.plan
    if plan is None:
        yield "What the next pass does follows from MLflow and the collector, which this command does not ask."
        return
    if after.problem is not None:
        yield f"Nothing goes on ({after.problem.reason}): {after.problem.message}."
    elif state.proposal is not None:
        yield _begins(state, state.proposal, is_new=is_new)
    else:
        yield f"The next pass reports {_ready(plan)}."
    writes = sorted(_writes(plan))
    if writes:
        yield f"It would {', '.join(writes)}."


def _begins(state: RetrainingState, proposal: Proposal, *, is_new: bool) -> str:
    # The id of a run follows from the uid of its policy, which the API server gives.
    run, causes = "A run" if is_new else f"Run {proposal.run.id}", ", ".join(proposal.run.reasons)
    if proposal.begins:
        return f"{run} begins with the next pass: {causes}."
    if state.spec.mode is Mode.OBSERVE:
        return f"spec.mode is Observe, so no run begins; in another mode it would: {causes}."
    accept = f"kubectl viridian accept {state.facts.name} -n {state.facts.namespace}"
    return f"{run} waits for a person: {causes}. `{accept}` starts it."


def _ready(plan: Plan) -> str:
    conditions = entries(plan.status or {}, "conditions")
    ready = next(one for one in conditions if text(one, "type") == reasons.READY)
    return f"{text(ready, 'reason')}: {text(ready, 'message')}"


def _writes(plan: Plan) -> Iterator[str]:
    """Deletions, and the objects that do work; what the policy notes for itself is left out."""
    for action in plan.actions:
        if isinstance(action, Delete):
            yield f"delete {' '.join(action.target)}"
        elif isinstance(action, Apply) and action.target[0] != "ControllerRevision":
            yield f"write {' '.join(action.target)}"

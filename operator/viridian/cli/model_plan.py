"""What the operator would do about an edited ModelDeployment, in sentences, by the code that decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from viridian.api import durations
from viridian.api.modeldeployment import Step
from viridian.cli.files import name_of
from viridian.cli.live_model import Decided, LiveModel, decided
from viridian.core.plan import Apply, Delete


def new_model(manifest: Mapping[str, Any], namespace: str) -> LiveModel:
    """A ModelDeployment that the cluster does not have yet."""
    metadata = {"name": name_of(manifest), "namespace": namespace, "uid": "", "generation": 0}
    return LiveModel({"metadata": metadata, "spec": manifest.get("spec") or {}})


def model_plan(live: LiveModel, spec: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """What becomes of the model after the edit, a sentence a line."""
    metadata = live.manifest["metadata"]
    after = decided(live.with_spec(spec), now)
    yield f"{metadata['namespace']}/{metadata['name']}:"
    yield from (f"  {sentence}" for sentence in (_revision(after), *_next(after), *_steps(after)))


def _revision(after: Decided) -> str:
    """What the spec asks for, against what is there."""
    state = after.state
    if state.desired is None:
        return state.invalid_template or getattr(state.inputs.model, "message", "what is wanted is not known")
    revision = state.desired.revision
    named = f"{state.desired.model.shown} ({revision})"
    if state.inputs.traffic is not None and revision == state.inputs.traffic.revision:
        return f"{named} is the champion: this spec makes no new revision."
    if (lost := state.rejected(revision)) is not None:
        retry = f"kubectl viridian retry {state.inputs.name} -n {state.inputs.namespace}"
        return f"{named} was rejected at {lost.at} ({lost.reason}): it is not tried again, unless by `{retry}`."
    if any(slot.revision == revision for slot in state.inputs.slots.values()):
        return f"{named} is deployed beside the champion: this spec makes no new revision."
    if state.record(revision) is not None:
        return f"{named} has been deployed before: this spec deploys it again."
    return f"{named} is a new revision."


def _next(after: Decided) -> Iterator[str]:
    """The next pass: what it decides, and what it writes."""
    writes = [action for action in after.plan.actions if isinstance(action, Apply | Delete)]
    yield from (f"{event.message}." for action in writes if isinstance(action, Apply) for event in action.tells)
    yield f"The next pass says {after.plan.summary}."
    shown = sorted(
        f"{'write' if isinstance(action, Apply) else 'delete'} {action.target[0]} {action.target[1]}"
        for action in writes
        if action.target[0] in _SHOWN
    )
    if shown:
        yield f"It would {', '.join(shown)}."


_SHOWN: Final = ("Deployment", "Service", "HTTPRoute")
"""Objects that users are served by. Others are not read, so it is not known whether they are as they should be."""


def _steps(after: Decided) -> Iterator[str]:
    """What a challenger has before it."""
    state = after.state
    champion = state.inputs.traffic.revision if state.inputs.traffic is not None else ""
    if state.desired is None or state.desired.revision == champion or state.rejected(state.desired.revision):
        return
    if not champion:
        yield "The first version serves all users as soon as it is ready: there is nothing to compare it with."
        return
    rollout = state.spec.rollout
    if rollout.paused:
        yield "Rollouts are paused: nothing new is deployed."
    for index, step in enumerate(rollout.steps):
        yield f"Step {step.name or index + 1}: {_step(step)}."
    bounds = ", ".join(metric.name for metric in rollout.analysis.metrics)
    then = f"It loses its traffic when it breaks a bound of {bounds}; " if bounds else ""
    probation = durations.parse(rollout.probation)
    proven = f"then its probation lasts {rollout.probation}" if probation else "then it is the champion"
    yield f"{then}after all steps it is promoted, and {proven}."


def _step(step: Step) -> str:
    if step.approval is not None:
        return "a person approves"
    share = f"copies of {step.shadow} % of the requests" if step.shadow else f"{step.weight} % of the traffic"
    bounds = [f"for at least {step.duration}"] if durations.parse(step.duration) else []
    bounds += [f"until it has answered {step.min_requests} requests"] if step.min_requests else []
    return " ".join([share, " and ".join(bounds)]).strip()

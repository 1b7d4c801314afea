"""What the operator would do about an edited ModelDeployment, in sentences, by the code that decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from viridian.api import durations, reasons
from viridian.api.modeldeployment import Step
from viridian.cli.live_model import Decided, LiveModel, decided
from viridian.core.conditions import conditions_in
from viridian.core.plan import Apply, Delete
from viridian.rollout.state import DesiredRevision, RolloutState
from viridian.rollout.traffic.gateway import HTTP_ROUTE
from viridian.rollout.traffic.joined_rule import JoinedRule, mark_of, route_name


def model_plan(live: LiveModel, spec: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """What becomes of the model after the edit, a sentence a line."""
    metadata = live.manifest["metadata"]
    after = decided(live.with_spec(spec), now)
    yield f"{metadata['namespace']}/{metadata['name']}:"
    found = (*_revision(after), *_next(after), *_rule(after), *_steps(after))
    yield from (f"  {sentence}" for sentence in found)


def _revision(after: Decided) -> Iterator[str]:
    """What the spec asks for, against what is there; nothing where the summary of the next pass has the same words."""
    state = after.state
    if state.desired is not None:
        yield _known_revision(state, state.desired)
        return
    why = state.invalid_template or getattr(state.inputs.model, "message", "what is wanted is not known")
    if why not in after.plan.summary:
        yield f"No revision follows from this spec: {why}."


def _known_revision(state: RolloutState, desired: DesiredRevision) -> str:
    revision = desired.revision
    named = f"{desired.model.shown} ({revision})"
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


_SHOWN: Final = ("Deployment", "Service", HTTP_ROUTE)
"""Objects that users are served by. Others are not read, so it is not known whether they are as they should be."""


def _rule(after: Decided) -> Iterator[str]:
    """What becomes of rules of the user's own routes, and what the owner of the route has to do."""
    for action in after.plan.actions:
        given_back = _given_back(after.state, action) if isinstance(action, Apply) else None
        if given_back is not None:
            yield f"It would give back {given_back.shown}."
    for condition in conditions_in((after.plan.status or {}).get("conditions")):
        if condition.get("type") == reasons.ROUTE_JOINED:
            yield f"RouteJoined is {condition['status']} ({condition['reason']}): {condition['message']}."


def _given_back(state: RolloutState, write: Apply) -> JoinedRule | None:
    """The rule of which a write takes the mark."""
    name = write.target[1]
    marks = {route_name(route): mark_of(route) for route in state.inputs.user_routes}
    mark = marks.get(name) if write.target[0] == HTTP_ROUTE else None
    return JoinedRule(name, mark.rule) if mark is not None and mark_of(write.manifest) is None else None


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

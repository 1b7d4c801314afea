"""One pass over a ModelDeployment: from its input to a plan. Pure, total, and idempotent once carried out.

The order of the actions is safe to stop after any of them. The traffic comes first: it is only switched to pods that
were seen ready, and on the way back nothing may come before it. Then connections are closed, then it is recorded why,
then the slots follow, and only then is anything removed.

Where the API server refuses one of them, the others are carried out all the same, but for this: everything after a
switch of the traffic presumes that it was made, or else that it cannot be (`policies/refused_traffic.py`). What serving
does not need (budgets, the NetworkPolicy, the preview Service, records and their notes) holds up nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from viridian.api import durations, reasons
from viridian.api.names import revision_record, slot_deployment
from viridian.api.samples import Idle
from viridian.core.intent import unless_changed
from viridian.core.plan import Action, Apply, CloseConnections, CopyRequests, Delete, Event, Plan, Target
from viridian.rollout import outcomes
from viridian.rollout.analysis.judged import full_fallback_end
from viridian.rollout.decision import RolloutDecision, WaitKind
from viridian.rollout.drill_schedule import next_look
from viridian.rollout.events import events_of_change, events_of_status
from viridian.rollout.input import (
    UNREAD,
    RolloutInput,
    Unresolved,
    judged_targets,
    name_taken,
    targets,
)
from viridian.rollout.joining import joining
from viridian.rollout.network_access import limit_access
from viridian.rollout.policies.choose import choose
from viridian.rollout.policies.refused_traffic import instead_of_refused, since_first_seen
from viridian.rollout.records import RevisionOutcome
from viridian.rollout.render import objects
from viridian.rollout.render.objects import preview
from viridian.rollout.restored import first_slot
from viridian.rollout.sentences import summary
from viridian.rollout.slot_writes import applied, clear, occupy
from viridian.rollout.slots import DesiredSlots, desired_slots, drain_end, draining, drill_drain_end
from viridian.rollout.state import RolloutState, read
from viridian.rollout.status import status
from viridian.rollout.traffic.copied import lease, shadow_order
from viridian.rollout.traffic.foreign_edit import foreign_edit, route_edited
from viridian.rollout.traffic.gateway import HTTP_ROUTE
from viridian.rollout.traffic.record import Traffic
from viridian.rollout.traffic.service import SERVICE
from viridian.rollout.untouched import out_of_reach, untouched
from viridian.rollout.urgency import urgency
from viridian.rollout.way_back_times import DRAIN

_POLL: Final = timedelta(seconds=15)
"""How soon a Gateway is looked at again, or a model that the registry lacks or refuses: nothing wakes the object."""
_UP_TO_PEOPLE = (
    reasons.AWAITING_APPROVAL,
    reasons.PAUSED,
    reasons.VERSION_GONE,
    reasons.PROMOTION_HELD,
    reasons.AWAITING_WINDOW,
)


def decide(inputs: RolloutInput, now: datetime) -> Plan:
    """What to do about this ModelDeployment, now."""
    if inputs.spec is None:
        return untouched(inputs, now, inputs.invalid, reasons.INVALID_SPEC)
    if route := inputs.unreadable_route:
        return untouched(inputs, now, out_of_reach(inputs, route), reasons.GATEWAY_API_OFF)
    if inputs.decisive in inputs.taken:
        # Without the object that carries the record nobody knows who serves.
        return untouched(inputs, now, name_taken(inputs, *inputs.decisive), reasons.NAME_TAKEN)
    state = read(inputs, inputs.spec, now)
    chosen = outcomes.experiment_remembered(state, since_first_seen(state, choose(state)))
    chosen = outcomes.split_logged(state, outcomes.still_remembered(state, chosen))
    instead = instead_of_refused(state, chosen)
    decision = instead or chosen
    slots = desired_slots(state, decision)
    pending = outcomes.pending_outcomes(state, decision)
    wanted = tuple(_actions(state, chosen, instead, slots, pending))
    blocked = [action for action in wanted if _target(action) in inputs.taken | inputs.leaving]
    taken = [_target(action) for action in blocked if _target(action) in inputs.taken]
    if taken:
        decision = replace(decision, name_taken="; ".join(name_taken(inputs, *target) for target in taken))
    published = inputs.model is not UNREAD or decision.traffic != inputs.traffic
    next_status = status(state, decision, outcomes.with_pending(state, pending)) if published else None
    return Plan(
        actions=tuple(_announcing(state, decision, (action for action in wanted if action not in blocked))),
        status=next_status,
        news=events_of_status(inputs.status, next_status) if next_status is not None else (),
        wake=_wake(state, decision),
        urgency=urgency(state, decision),
        summary=summary(state, decision),
    )


def _target(action: Action) -> Target:
    """Kind and name of what an apply writes; of every other action, nothing that can be somebody else's."""
    return action.target if isinstance(action, Apply) else ("", "")


def _actions(
    state: RolloutState,
    chosen: RolloutDecision,
    instead: RolloutDecision | None,
    slots: DesiredSlots,
    pending: dict[str, RevisionOutcome],
) -> Iterator[Action]:
    """All that is to be done about the chosen move, or about the one that is made `instead`."""
    decision = instead or chosen
    yield from outcomes.adopt_records(state)
    yield from _switch(state, chosen, instead)
    emptied = {slot: desired for slot, desired in slots.items() if desired is not None and desired.reverted}
    yield from occupy(state, emptied)
    yield from _close(state, decision)
    yield from _copy(state, decision)
    yield from outcomes.record_outcomes(state, pending)
    yield from _records(state, decision)
    yield from limit_access(state, slots)
    yield from occupy(state, {slot: desired for slot, desired in slots.items() if slot not in emptied})
    if decision.traffic is not None:
        port, other = state.spec.server.port, decision.traffic.champion.other
        yield from applied(preview(state.inputs, port, other), state.inputs.preview)
    yield from clear(state, slots)
    yield from _leave_the_gateway(state, decision)
    yield from outcomes.superfluous_records(state, _needed(state, decision, slots))


def _announcing(state: RolloutState, decision: RolloutDecision, actions: Iterable[Action]) -> Iterator[Action]:
    """The actions; the one that carries out the decision has its Events. Where it fails, no Event is emitted."""
    decisive = state.inputs.decisive
    if decision.traffic == state.inputs.traffic:
        slot = decision.traffic.champion.other if decision.traffic is not None else first_slot(state.inputs.slots)
        decisive = "Deployment", slot_deployment(state.inputs.name, slot)
    for action in actions:
        if isinstance(action, Apply) and _target(action) == decisive:
            yield replace(action, tells=(*action.tells, *events_of_change(state, decision.change)))
        else:
            yield action


def _switch(state: RolloutState, chosen: RolloutDecision, instead: RolloutDecision | None) -> Iterator[Action]:
    """The objects that split the traffic; the first one is decisive, and what the others say follows from it."""
    inputs, before, observed = state.inputs, state.inputs.traffic, state.inputs.traffic_objects
    traffic = chosen.traffic or before
    if traffic is None:
        yield from joining(inputs, state.spec.server.port, None, state.now).writes
        return
    moves = traffic != before
    way_back = traffic.reverted is not None and (before is None or traffic.reverted != before.reverted)
    way_back = way_back or (before is not None and before.drill is not None and traffic.drill is None)
    decisive, *others = inputs.provider.objects(inputs, state.spec.server.port, traffic)
    live = observed.get(inputs.decisive)
    tells = _of_foreign_edit(state, before, live)
    for action in applied(decisive, live):
        # A process that was cut off for a while must not undo what another one has decided since.
        presumed = None if not moves else instead is None
        yield replace(unless_changed(action, live), presumed=presumed, urgent=moves and way_back, tells=tells)
    if instead is not None:  # the move was refused, so the others say what is in effect
        others = list(inputs.provider.objects(inputs, state.spec.server.port, before)[1:]) if before is not None else []
    for intent in others:
        target = intent["kind"], intent["metadata"]["name"]
        # The live Service does not say that there is a route before there is one.
        if live is not None or target != SERVICE.target(inputs.name):
            yield from applied(intent, observed.get(target))
    users = joining(inputs, state.spec.server.port, (before if instead is not None else traffic) or traffic, state.now)
    for write in users.writes:
        yield replace(write, urgent=moves and way_back)


def _of_foreign_edit(state: RolloutState, before: Traffic | None, live: Mapping[str, Any] | None) -> tuple[Event, ...]:
    """The Event about somebody else's edit of the route, which the write of the route puts right."""
    inputs = state.inputs
    if before is None or live is None or inputs.decisive[0] != HTTP_ROUTE:
        return ()
    edit = foreign_edit(inputs.provider.objects(inputs, state.spec.server.port, before)[0], live)
    return (route_edited(inputs.name, edit),) if edit else ()


def _leave_the_gateway(state: RolloutState, decision: RolloutDecision) -> Iterator[Action]:
    """Delete a route that the spec does not ask for any more."""
    route = _needless_route(state, decision)
    if route is not None:
        yield Delete("gateway.networking.k8s.io/v1", "HTTPRoute", state.inputs.name, route["metadata"]["uid"])


def _needless_route(state: RolloutState, decision: RolloutDecision) -> Mapping[str, Any] | None:
    """The route that is there, once the spec does not ask for one and the live Service can take its place."""
    inputs, traffic = state.inputs, decision.traffic
    route = inputs.gateway_objects.get((HTTP_ROUTE, inputs.name))
    if route is None or inputs.wanted_gateway is not None or traffic is None or traffic.trial is not None:
        return None
    replaceable = traffic == inputs.traffic and SERVICE.read(inputs.name, inputs.traffic_objects) == traffic
    return route if replaceable else None


def _close(state: RolloutState, decision: RolloutDecision) -> Iterator[Action]:
    """Through a gateway no user stays with a pod, but callers inside the cluster do. Idle connections are its own."""
    traffic, gently = decision.traffic, not state.inputs.provider.keeps_connections
    if decision.close is not None:
        pods = tuple(pod for slot in decision.close.slots for pod in targets(state.inputs, slot))
        if pods:
            idle = Idle.KEEP if gently else decision.close.idle
            yield CloseConnections(pods, decision.close.seconds, idle, forward=decision.close.idle is Idle.CLOSE)
    elif traffic is not None and draining(state, traffic) and traffic.receiving == {traffic.champion}:
        # Sent again after a crash between the switch and this; pods that are closing already do not mind.
        lost = targets(state.inputs, traffic.champion.other)
        if lost and decision.challenger is None:
            idle = Idle.KEEP if gently else Idle.CLOSE
            yield CloseConnections(lost, int(DRAIN.total_seconds()), idle, forward=True)


def _copy(state: RolloutState, decision: RolloutDecision) -> Iterator[Action]:
    """What the servers of the champion copy for as long as the record says so; those that come up later as well."""
    traffic = decision.traffic
    if traffic is None or traffic.trial is None or state.inputs.settings.orders_key is None:
        return
    order = shadow_order(state.inputs.name, state.spec, traffic.trial)
    pods = judged_targets(state.inputs, traffic.champion) if order is not None else ()
    if order is not None and pods:
        yield CopyRequests(pods, order)


def _records(state: RolloutState, decision: RolloutDecision) -> Iterator[Action]:
    """The record of the wanted revision is made before its pods are, and never again."""
    wanted = state.desired
    if wanted is None or state.record(wanted.revision) is not None:
        return
    traffic = decision.traffic
    serving = traffic.revision if traffic else None
    # A rejected revision needs its record for its outcome and for a retry.
    rejected = traffic.reverted.revision if traffic and traffic.reverted else None
    if wanted.revision in (decision.challenger, serving, rejected):
        forgotten = state.inputs.forgotten.get(revision_record(state.inputs.name, wanted.revision))
        if forgotten is not None:
            # What an earlier object of this name decided about the same revision says nothing here.
            name = revision_record(state.inputs.name, wanted.revision)
            yield Delete("apps/v1", "ControllerRevision", name, forgotten)
            return
        number = max((record.number for record in state.inputs.records.values()), default=0) + 1
        yield Apply(objects.record(state.inputs, wanted.revision, number, wanted.model, wanted.template))


def _needed(state: RolloutState, decision: RolloutDecision, slots: DesiredSlots) -> set[str]:
    traffic = decision.traffic
    return {
        *(slot_state.revision for slot_state in state.inputs.slots.values()),
        *(desired.revision for desired in slots.values() if desired is not None),
        *((traffic.revision, traffic.former) if traffic else ()),
        *((state.desired.revision,) if state.desired else ()),
        *((decision.challenger,) if decision.challenger else ()),
    }


def _wake(state: RolloutState, decision: RolloutDecision) -> datetime | None:
    """When to look again although nothing has changed; None where only a change can bring something new.

    Servers copy requests for a time, so there is a look before that is over.
    """
    at, trial = _next_look(state, decision), decision.traffic.trial if decision.traffic is not None else None
    if trial is None or not trial.servers_copy:
        return at
    return min(filter(None, (at, state.now + lease(state.spec) / 3)))


def _next_look(state: RolloutState, decision: RolloutDecision) -> datetime | None:
    now, rollout = state.now, state.spec.rollout
    soon = now + durations.parse(rollout.analysis.interval)
    traffic = decision.traffic
    on_trial = traffic is not None and traffic.trial is not None
    # For people one waits without looking all the time, unless users meet the challenger meanwhile.
    if state.inputs.decisive in state.inputs.obstacles:
        return soon
    on_drill = traffic is not None and traffic.drill is not None
    if decision.retry or decision.judgements or on_drill or (on_trial and decision.reason not in _UP_TO_PEOPLE):
        return soon
    model = state.inputs.model
    asks = state.spec.model.registry is not None and isinstance(model, Unresolved) and not model.watched
    words = [slot_state.next_change(now) for slot_state in state.inputs.slots.values()]
    times = [word for word in words if word is not None]
    if _needless_route(state, decision) is not None:
        times.append(soon)  # once the route is gone, the live Service takes its place
    foreign = any(slot_state.foreign for slot_state in state.inputs.slots.values())
    waits = decision.wait is not None and decision.wait.kind is WaitKind.PREDECESSOR
    if asks or foreign or waits or state.unsettled is not None:  # nothing wakes the object for a predecessor
        times.append(now + _POLL)
    if traffic is not None and draining(state, traffic):
        times.append(drain_end(traffic) or now)
    if decision.wait is not None and decision.wait.until is not None:
        times.append(decision.wait.until)
    if traffic is not None and not on_trial:
        coming = (next_look(state), drill_drain_end(traffic))
        times.extend(at for at in coming if at is not None and at > now)
    end = full_fallback_end(state.spec, traffic) if traffic is not None else None
    if traffic is not None and end is not None and now < end:
        times.append(end)
        champion = state.slot(traffic.champion)
        if champion is not None and not champion.serves:
            return soon
    return min(times, default=None)

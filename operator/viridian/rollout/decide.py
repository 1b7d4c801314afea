"""One pass over a ModelDeployment: from its snapshot to a plan. Pure, total, and idempotent once carried out.

The order of the actions is safe to stop after any of them. The live Service comes first: a move only switches to pods
that were seen ready, and on the way back nothing may come before the traffic. Then connections are cut, then it is
recorded why, then the slots follow, and only then is anything removed.

Where one of them is not taken, the others are carried out all the same, but for this: everything after a move of the
traffic presumes that the move was made, or else that it cannot be (`viridian.rollout.hindered`). What serving does not
need (budgets, the NetworkPolicy, the preview Service, records and what is noted on them) holds up nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from viridian.api import durations, reasons
from viridian.api.names import Slot, revision_record, slot_deployment
from viridian.api.samples import Idle
from viridian.core.conditions import Finding, Truth, conditions_in, moment, transition
from viridian.core.intent import apply_unless_covered, unless_changed
from viridian.core.ownership import Belongs, belongs
from viridian.core.plan import Action, Apply, ClaimModel, CloseConnections, Delete, Plan, SetAlias, TagVersion, Target
from viridian.monitoring.status import with_monitoring
from viridian.rollout import bookkeeping, model_address, objects, registry_trail, reverting
from viridian.rollout.access import limit_access
from viridian.rollout.course import choose
from viridian.rollout.hindered import hindered, since_first_seen
from viridian.rollout.layout import KEEP, Layout, Occupant, draining, layout
from viridian.rollout.move import Move
from viridian.rollout.news import news
from viridian.rollout.records import RevisionOutcome
from viridian.rollout.situation import RolloutState, first_slot, read
from viridian.rollout.snapshot import RolloutInput, SlotState, name_taken, probation_end, targets
from viridian.rollout.status import status

# The loop looks again at all objects before that; this is only the farthest that a plan asks for.
_RESYNC = timedelta(minutes=10)
_UP_TO_PEOPLE = (reasons.AWAITING_APPROVAL, reasons.PAUSED, reasons.VERSION_GONE)


def decide(snapshot: RolloutInput, now: datetime) -> Plan:
    """What to do about this ModelDeployment, now."""
    if snapshot.spec is None:
        return untouched(snapshot, now, snapshot.invalid, reasons.INVALID_SPEC)
    if ("Service", snapshot.name) in snapshot.taken:
        # Without the live Service there is no word about who serves.
        return untouched(snapshot, now, name_taken(snapshot, "Service", snapshot.name), reasons.NAME_TAKEN)
    situation = read(snapshot, snapshot.spec, now)
    chosen = bookkeeping.still_remembered(situation, since_first_seen(situation, choose(situation)))
    instead = hindered(situation, chosen)
    move = instead or chosen
    slots = layout(situation, move)
    pending = bookkeeping.pending_outcomes(situation, move)
    wanted = tuple(_actions(situation, chosen, instead, slots, pending))
    blocked = [action for action in wanted if _target(action) in snapshot.taken | snapshot.leaving]
    taken = [_target(action) for action in blocked if _target(action) in snapshot.taken]
    if taken:
        said = "; ".join(name_taken(snapshot, *target) for target in taken)
        move = replace(move, stalled=move.stalled or (reasons.NAME_TAKEN, said))
    situation = _as_untold(situation, wanted, registry_trail.withheld(situation, pending))
    next_status = status(situation, move, bookkeeping.with_pending(situation, pending))
    plan = Plan(
        actions=tuple(_telling(situation, move, (action for action in wanted if action not in blocked))),
        status=next_status,
        news=news(snapshot.status, next_status),
        wake=now if _claims(wanted) else _wake(situation, move),
        summary=f"{move.reason}: {move.waiting_for}" if move.waiting_for else move.reason,
    )
    return with_monitoring(plan, snapshot.watch, snapshot.status, snapshot.generation, now)


def untouched(snapshot: RolloutInput, now: datetime, message: str, reason: str) -> Plan:
    """The plan where nothing can be decided: say so, touch nothing, look again when something changes."""
    before = conditions_in(snapshot.status.get("conditions"))
    stalled = transition(
        [Finding(reasons.STALLED, Truth.TRUE, reason, message)], before=before, generation=snapshot.generation, now=now
    )
    others = [c for c in before if c.get("type") not in (reasons.STALLED, reasons.RECONCILING)]
    if not any(c.get("type") == reasons.READY for c in others):
        not_ready = Finding(reasons.READY, Truth.FALSE, reason, message)
        others += transition([not_ready], before=(), generation=snapshot.generation, now=now)
    kept = {key: value for key, value in snapshot.status.items() if key != "conditions"}
    next_status = {**kept, "observedGeneration": snapshot.generation, "conditions": [*others, *stalled]}
    return Plan(
        status=next_status,
        news=news(snapshot.status, next_status),
        wake=now + timedelta(minutes=1),
        summary=f"{reason}: {message}",
    )


def unregistered(snapshot: RolloutInput, now: datetime, reason: str, message: str) -> Plan:
    """The plan after the registry did not take a write: users are served all the same, and it is told again."""
    return decide(replace(snapshot, untold=(reason, f"{message}; {registry_trail.UNTOLD}")), now)


def _claims(actions: Iterable[Action]) -> bool:
    """Whether a registered model is claimed: the next pass, which sees whose it is by then, is wanted at once."""
    return any(isinstance(action, ClaimModel) for action in actions)


def _target(action: Action) -> Target:
    """Kind and name of what an apply writes; of every other action, nothing that can be somebody else's."""
    return action.target if isinstance(action, Apply) else ("", "")


def _actions(
    situation: RolloutState, chosen: Move, instead: Move | None, slots: Layout, pending: dict[str, RevisionOutcome]
) -> Iterator[Action]:
    """All that is to be done about the chosen move, or about the one that is made `instead`."""
    move = instead or chosen
    yield from bookkeeping.adopt_records(situation)
    yield from _switch(situation, chosen, hindered=instead is not None)
    emptied = {slot: occupant for slot, occupant in slots.items() if occupant is not None and occupant.reverted}
    yield from _occupy(situation, emptied)
    yield from _close(situation, move)
    yield from bookkeeping.record_outcomes(situation, pending)
    yield from _records(situation, move)
    yield from limit_access(situation, slots)
    yield from _occupy(situation, {slot: occupant for slot, occupant in slots.items() if slot not in emptied})
    if move.traffic is not None:
        port, other = situation.spec.server.port, move.traffic.champion.other
        yield from _applied(objects.preview(situation.snapshot, port, other), situation.snapshot.preview)
    yield from _clear(situation, slots)
    yield from registry_trail.tell_registry(situation, move, pending)
    yield from bookkeeping.superfluous_records(situation, _needed(situation, move, slots))


def _as_untold(situation: RolloutState, actions: Iterable[Action], withheld: tuple[str, str] | None) -> RolloutState:
    """What the registry did not take stands until there is nothing left to tell it: a slow answer is none yet."""
    snapshot = situation.snapshot
    if snapshot.untold is not None:
        return situation
    if withheld is not None:
        return replace(situation, snapshot=replace(snapshot, untold=withheld))
    if not any(isinstance(action, ClaimModel | TagVersion | SetAlias) for action in actions):
        return situation
    stored = conditions_in(snapshot.status.get("conditions"))
    untold = next((c for c in stored if c.get("type") == reasons.REGISTRY_TOLD), None)
    if untold is None:
        return situation
    said = str(untold.get("reason", "")), str(untold.get("message", ""))
    return replace(situation, snapshot=replace(snapshot, untold=said))


def _telling(situation: RolloutState, move: Move, actions: Iterable[Action]) -> Iterator[Action]:
    """The actions; the one that carries out the move tells of it. Where that cannot be done, nothing is told."""
    snapshot = situation.snapshot
    if move.traffic != snapshot.traffic:
        decisive = "Service", snapshot.name
    else:
        slot = move.traffic.champion.other if move.traffic is not None else first_slot(situation)
        decisive = "Deployment", slot_deployment(snapshot.name, slot)
    for action in actions:
        if isinstance(action, Apply) and _target(action) == decisive:
            yield replace(action, tells=move.events)
        else:
            yield action


def _applied(intent: objects.Manifest, observed: object) -> Iterable[Apply]:
    action = apply_unless_covered(intent, observed if isinstance(observed, dict) else None)
    return () if action is None else (action,)


def _switch(situation: RolloutState, move: Move, *, hindered: bool) -> Iterator[Action]:
    live, before = situation.snapshot.live, situation.snapshot.traffic
    traffic = move.traffic or before
    if traffic is None:
        return
    moves = traffic != before
    way_back = traffic.reverted is not None and (before is None or traffic.reverted != before.reverted)
    for action in _applied(objects.live_service(situation.snapshot, situation.spec.server.port, traffic), live):
        # A process that was cut off for a while must not undo what another one has decided since.
        presumed = None if not moves else not hindered
        yield replace(unless_changed(action, live), presumed=presumed, urgent=moves and way_back)


def _close(situation: RolloutState, move: Move) -> Iterator[Action]:
    if move.close is not None:
        pods = tuple(pod for slot in move.close.slots for pod in targets(situation.snapshot, slot))
        if pods:
            yield CloseConnections(pods, move.close.seconds, move.close.idle)
    elif move.traffic and draining(situation, move.traffic) and move.traffic.receiving == {move.traffic.champion}:
        # Said again after a crash between the switch and this; pods that are closing already do not mind.
        lost = targets(situation.snapshot, move.traffic.champion.other)
        if lost and move.candidate is None:
            yield CloseConnections(lost, int(reverting.DRAIN.total_seconds()), Idle.CLOSE)


def _records(situation: RolloutState, move: Move) -> Iterator[Action]:
    """The record of the wanted revision is made before its pods are, and never again."""
    wanted = situation.wanted
    if wanted is None or situation.record(wanted.revision) is not None:
        return
    traffic = move.traffic
    serving = traffic.revision if traffic else None
    # One that was turned away needs its record for what became of it, and for a retry.
    away = traffic.reverted.revision if traffic and traffic.reverted else None
    if wanted.revision in (move.candidate, serving, away):
        forgotten = situation.snapshot.forgotten.get(revision_record(situation.snapshot.name, wanted.revision))
        if forgotten is not None:
            # What an earlier object of this name decided about the same revision says nothing here.
            name = revision_record(situation.snapshot.name, wanted.revision)
            yield Delete("apps/v1", "ControllerRevision", name, forgotten)
            return
        number = max((record.number for record in situation.snapshot.records.values()), default=0) + 1
        yield Apply(objects.record(situation.snapshot, wanted.revision, number, wanted.model, wanted.template))


def _occupy(situation: RolloutState, slots: Layout) -> Iterator[Action]:
    for slot, occupant in slots.items():
        if occupant is None or occupant is KEEP:
            continue
        observed = situation.slot(slot)
        template = situation.template_of(occupant.revision) or _orphaned_template(situation, observed, occupant)
        if template is None:
            continue
        intent = objects.deployment(
            situation.snapshot, slot, occupant.revision, template, occupant.replicas, occupant.reverted
        )
        intent = _addressed(situation, slot, occupant.revision, intent)
        intent = _completed(situation, slot, occupant.revision, intent)
        yield from _applied(intent, observed.deployment if observed else None)
        name = slot_deployment(situation.snapshot.name, slot)
        yield from _applied(objects.budget(situation.snapshot, slot), situation.snapshot.budgets.get(name))


def _addressed(situation: RolloutState, slot: Slot, revision: str, intent: objects.Manifest) -> objects.Manifest:
    """The Deployment with the addresses that its pods are to be told, where they are not the recorded ones."""
    record, now = situation.record(revision), situation.addresses_in(slot, revision)
    if record is None or record.addresses is None or now is None or now == record.addresses:
        return intent
    return objects.readdressed(intent, record.addresses, now)


def _completed(situation: RolloutState, slot: Slot, revision: str, intent: objects.Manifest) -> objects.Manifest:
    """The Deployment with the whole address of the model, of which the record holds what may be shown.

    What the slot's pods have already stays; the spec tells the rest. A former champion whose Deployment is gone has
    only the recorded part: an address with a signature ends by itself.
    """
    record, world, wanted = situation.record(revision), situation.slot(slot), situation.wanted
    if record is None:
        return intent
    known = [world.deployment["spec"]["template"]] if world is not None and world.revision == revision else []
    known += [wanted.template] if wanted is not None and wanted.revision == revision else []
    return model_address.completed(intent, record.model.uri, known)


def _orphaned_template(
    situation: RolloutState, observed: SlotState | None, occupant: Occupant
) -> Mapping[str, Any] | None:
    """Of a Deployment whose record is gone: what it runs, where it has to be applied again to get its owner back."""
    if observed is None or observed.revision != occupant.revision:
        return None
    orphaned = belongs(observed.deployment, situation.snapshot.uid) is Belongs.ORPHAN
    return observed.deployment["spec"]["template"] if orphaned else None


def _clear(situation: RolloutState, slots: Layout) -> Iterator[Action]:
    for slot, occupant in slots.items():
        if occupant is not None:
            continue
        name, world = slot_deployment(situation.snapshot.name, slot), situation.slot(slot)
        if world is not None:
            yield Delete("apps/v1", "Deployment", name, world.uid)
        disruption_budget = situation.snapshot.budgets.get(name)
        if disruption_budget is not None:
            yield Delete("policy/v1", "PodDisruptionBudget", name, disruption_budget["metadata"]["uid"])


def _needed(situation: RolloutState, move: Move, slots: Layout) -> set[str]:
    traffic = move.traffic
    return {
        *(world.revision for world in situation.snapshot.slots.values()),
        *(occupant.revision for occupant in slots.values() if occupant is not None),
        *((traffic.revision, traffic.former) if traffic else ()),
        *((situation.wanted.revision,) if situation.wanted else ()),
        *((move.candidate,) if move.candidate else ()),
    }


def _wake(situation: RolloutState, move: Move) -> datetime:
    """When to look again although nothing was heard."""
    now, rollout = situation.now, situation.spec.rollout
    soon = now + durations.parse(rollout.analysis.interval)
    traffic = move.traffic
    on_trial = traffic is not None and traffic.trial is not None
    # For people one waits without looking all the time, unless users meet the challenger meanwhile.
    if ("Service", situation.snapshot.name) in situation.snapshot.obstacles:
        return soon
    if move.retried or move.judgements or (on_trial and move.reason not in _UP_TO_PEOPLE):
        return soon
    # An alias may move at any time; what is given by its URI only changes with the spec.
    asks = situation.spec.model.registry is not None or situation.snapshot.untold is not None
    idle = situation.snapshot.settings.registry_poll if asks else _RESYNC
    words = [world.next_word(now) for world in situation.snapshot.slots.values()]
    times = [now + idle, *(word for word in words if word is not None)]
    if traffic is not None and draining(situation, traffic):
        times.append((moment(traffic.reverted.at if traffic.reverted else "") or now) + reverting.DRAIN)
    end = probation_end(situation.snapshot, traffic) if traffic is not None else None
    if traffic is not None and end is not None and now < end:
        times.append(end)
        champion = situation.slot(traffic.champion)
        if champion is not None and not champion.serves:
            return soon
    return min(times)

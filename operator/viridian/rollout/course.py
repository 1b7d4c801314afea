"""The chain of questions about a ModelDeployment; the first one that has an answer decides the pass."""

from __future__ import annotations

from dataclasses import replace

from viridian.api import reasons
from viridian.api.modeldeployment import OnBreach
from viridian.api.names import ROLLBACK_ANNOTATION, SLOT_LABEL, Slot
from viridian.core.conditions import stamp, stamp_exact
from viridian.core.plan import Event, EventType
from viridian.rollout import reverting, trial
from viridian.rollout.evidence import judgements
from viridian.rollout.move import Move
from viridian.rollout.situation import RolloutState, candidate, fallback_revision, first_slot
from viridian.rollout.snapshot import in_probation, probation_end
from viridian.rollout.traffic import Traffic


def choose(situation: RolloutState) -> Move:
    """What this pass does about the traffic."""
    traffic = situation.traffic or _restored(situation)
    if traffic is None:
        return _first_deployment(situation)
    if not in_probation(situation.snapshot, traffic, situation.now):
        # What its pods had counted once speaks for nothing any more.
        traffic = replace(traffic, exposure=None)
    return reverting.unless_nobody_would_serve(situation, traffic, _next(situation, traffic))


def _next(situation: RolloutState, traffic: Traffic) -> Move:
    wanted = candidate(situation, traffic)
    on_trial = traffic.trial
    return (
        reverting.emptied(situation, traffic)
        or reverting.rolled_back_by_person(situation, traffic)
        or reverting.rejected_by_person(situation, traffic, on_trial.revision if on_trial else wanted)
        or (
            trial.superseded(situation, traffic, on_trial, wanted) if on_trial and on_trial.revision != wanted else None
        )
        or _retry(situation, traffic)
        or (trial.on_trial(situation, traffic, on_trial) if on_trial else None)
        or _probation(situation, traffic, wanted)
        or (trial.deploying(situation, traffic, wanted) if wanted else None)
        or _steady(situation, traffic)
    )


def _retry(situation: RolloutState, traffic: Traffic) -> Move | None:
    """`viridian.dev/retry: <rejected revision>` gives the wanted revision another chance, once."""
    revision = situation.wanted.revision if situation.wanted else None
    command = situation.retry_asked(revision) if revision else None
    if command is None or revision is None:
        return None
    return Move(traffic, reasons.ROLLING_OUT, "the retry to be recorded", retried=(revision, command))


def _probation(situation: RolloutState, traffic: Traffic, wanted: str | None) -> Move | None:
    """The new champion is judged for a while; a breach goes back to the fallback, which is still at full size.

    A newer version would take the fallback's slot, so it waits until then. The fallback itself may come back at once.
    """
    fallback, other = fallback_revision(situation, traffic), situation.slot(traffic.champion.other)
    if fallback is None or not in_probation(situation.snapshot, traffic, situation.now):
        return None
    analysis = situation.spec.rollout.analysis
    said = judgements(situation, traffic.champion, traffic.exposure) if analysis.metrics else ()
    crashes = reverting.crash_loop(situation, traffic.champion, traffic.revision, traffic.exposure)
    worst = reverting.breached(said) if analysis.on_breach is OnBreach.ROLLBACK else None
    unserved = reverting.unserved(situation, traffic.champion)
    complaint = crashes or (worst.message if worst else unserved)
    if complaint is None:
        if wanted == fallback:
            return None
        held = _held(situation, traffic, wanted) if wanted else _steady(situation, traffic)
        return replace(held, judgements=said)
    if other is None or other.revision != fallback or not other.serves:
        waiting = f"{complaint}, but {situation.version_of(fallback)} is not ready to take over"
        return Move(traffic, reasons.FALLBACK_UNAVAILABLE, waiting, judgements=said)
    first = reverting.breach_began(situation, traffic.champion, traffic.exposure, worst)
    if not crashes and worst is None:
        first = reverting.unserved_since(situation, traffic.champion)
    reason = reasons.METRIC_BREACH if crashes or worst else reasons.CHAMPION_UNAVAILABLE
    return reverting.roll_back(situation, traffic, fallback, reason, complaint, breach_at=first)


def _held(situation: RolloutState, traffic: Traffic, wanted: str) -> Move:
    """A newer version waits for the end of the champion's probation."""
    champion, end = situation.version_of(traffic.revision), probation_end(situation.snapshot, traffic)
    until = f", at {stamp(end)}" if end is not None else ""
    waiting = f"the end of the probation of {champion}{until}, before {situation.version_of(wanted)} is deployed"
    return Move(traffic, reasons.PROBATION, waiting)


def _steady(situation: RolloutState, traffic: Traffic) -> Move:
    """Nothing is on trial: the champion serves, and if what the spec asks for was turned away, it says so."""
    wanted = situation.wanted
    away = situation.turned_away(wanted.revision) if wanted else None
    if wanted is not None and away is not None and wanted.revision != traffic.revision:
        said = f"{situation.version_of(wanted.revision)} was turned away ({away.reason}): {away.message}"
        how = f"change the spec, or annotate viridian.dev/retry={wanted.revision}"
        stalled = (reasons.REVISION_REJECTED, f"{said}; {how}") if _is_pinned(situation) else None
        return Move(traffic, reasons.REVISION_REJECTED, said, stalled=stalled)
    if situation.invalid_template:
        return Move(traffic, situation.invalid_reason, stalled=(situation.invalid_reason, situation.invalid_template))
    if wanted is not None and wanted.revision != traffic.revision:
        if situation.spec.server.replicas == 0:
            return Move(traffic, reasons.SCALING, "spec.server.replicas to be above 0")
        return Move(traffic, reasons.PAUSED, "spec.rollout.paused to be removed")
    if situation.asked(ROLLBACK_ANNOTATION, traffic.revision) and fallback_revision(situation, traffic) is None:
        return Move(traffic, reasons.NO_FALLBACK, "a former champion: a rollback was asked for")
    reason = reasons.PROBATION if in_probation(situation.snapshot, traffic, situation.now) else reasons.SERVING
    return Move(traffic, reason)


def _is_pinned(situation: RolloutState) -> bool:
    """Whether Git decides the version: its rejection is a failed rollout, while an alias waits for the next one."""
    registry = situation.spec.model.registry
    return registry is None or registry.alias is None


# ---- Before there is a champion ----


def _restored(situation: RolloutState) -> Traffic | None:
    """The traffic record from what else is known, when the live Service or its record was destroyed."""
    selected = (situation.snapshot.live or {}).get("spec", {}).get("selector", {}).get(SLOT_LABEL)
    promoted = {
        slot: record.promoted_at or ""
        for slot, world in situation.snapshot.slots.items()
        if (record := situation.record(world.revision)) is not None and record.promoted_at and not record.turned_away
    }
    slot = Slot(selected) if selected in set(Slot) else max(promoted, key=lambda s: promoted[s], default=None)
    world = situation.slot(slot) if slot is not None else None
    if slot is None or world is None or not world.revision:
        return _from_records(situation, slot or first_slot(situation))
    others = sorted((at, s) for s, at in promoted.items() if s is not slot)
    former = situation.slot(others[-1][1]) if others else None
    since = promoted.get(slot) or stamp_exact(situation.now)
    return Traffic(slot, world.revision, since, former.revision if former else "")


def _from_records(situation: RolloutState, slot: Slot) -> Traffic | None:
    """The champion when not even its Deployment is left: the newest one that has not lost its good name."""
    promoted = [r for r in situation.snapshot.records.values() if r.promoted_at and not r.turned_away]
    newest = max(promoted, key=lambda record: record.promoted_at or "", default=None)
    return Traffic(slot, newest.revision, newest.promoted_at or "") if newest is not None else None


def _first_deployment(situation: RolloutState) -> Move:
    if situation.invalid_template:
        return Move(None, situation.invalid_reason, stalled=(situation.invalid_reason, situation.invalid_template))
    revision = _first_revision(situation)
    if revision is None:
        awaited = f": {situation.awaited.message}" if situation.awaited else ""
        return Move(None, reasons.FIRST_DEPLOYMENT, f"the model to be resolved{awaited}")
    if situation.spec.rollout.paused:
        return Move(None, reasons.PAUSED, "spec.rollout.paused to be removed")
    slot = first_slot(situation)
    world, shown = situation.slot(slot), situation.version_of(revision)
    if world is None or world.revision != revision:
        event = Event(
            EventType.NORMAL, reasons.EVENT_ROLLOUT_STARTED, f"{shown} is deployed to {slot}, the first champion"
        )
        return Move(None, reasons.FIRST_DEPLOYMENT, f"{shown} to become ready", revision, events=(event,))
    if situation.halted:
        reason, waiting = situation.halted
        return Move(None, reason, waiting, revision, stalled=(reason, f"waiting for {waiting}"))
    if world.serves or (world.settled and world.replicas == 0):
        event = Event(EventType.NORMAL, reasons.EVENT_PROMOTED, f"{shown} is the first champion")
        return Move(Traffic(slot, revision, stamp_exact(situation.now)), reasons.SERVING, events=(event,))
    complaint = situation.complaint(slot)
    late = (reasons.PROGRESS_DEADLINE_EXCEEDED, f"{shown} is not ready in time{complaint}")
    refused = (world.refused[0], f"{shown} is refused: {world.refused[1]}") if world.refused else None
    stalled = refused or (late if world.deadline_exceeded else None)
    return Move(None, reasons.FIRST_DEPLOYMENT, f"{shown} to become ready{complaint}", revision, stalled=stalled)


def _first_revision(situation: RolloutState) -> str | None:
    """What the first champion is to be; while the registry is silent, what is on its way goes on its way."""
    if situation.wanted is not None:
        return situation.wanted.revision
    world = situation.slot(first_slot(situation))
    return world.revision if world is not None and situation.record(world.revision) is not None else None

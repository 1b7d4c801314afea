"""The chain of questions about a ModelDeployment; the first one that has an answer decides the pass."""

from __future__ import annotations

from dataclasses import replace

from viridian.api import reasons
from viridian.api.modeldeployment import OnBreach
from viridian.api.names import ROLLBACK_ANNOTATION, SLOT_LABEL, Slot
from viridian.core.plan import Event, EventType
from viridian.core.times import format_time, format_time_micros
from viridian.rollout.analysis.evidence import judgements
from viridian.rollout.decision import RolloutDecision
from viridian.rollout.input import in_probation, probation_end
from viridian.rollout.policies import rollback, trial
from viridian.rollout.state import RolloutState, challenger, fallback_revision, first_slot
from viridian.rollout.traffic.record import Traffic


def choose(state: RolloutState) -> RolloutDecision:
    """What this pass does about the traffic."""
    traffic = state.traffic or _restored(state)
    if traffic is None:
        return _first_deployment(state)
    if not in_probation(state.inputs, traffic, state.now):
        # What its pods had counted once speaks for nothing any more.
        traffic = replace(traffic, exposure=None)
    return rollback.unless_nobody_would_serve(state, traffic, _next(state, traffic))


def _next(state: RolloutState, traffic: Traffic) -> RolloutDecision:
    wanted = challenger(state, traffic)
    on_trial = traffic.trial
    return (
        rollback.emptied(state, traffic)
        or rollback.rolled_back_by_person(state, traffic)
        or rollback.rejected_by_person(state, traffic, on_trial.revision if on_trial else wanted)
        or (trial.superseded(state, traffic, on_trial, wanted) if on_trial and on_trial.revision != wanted else None)
        or _retry(state, traffic)
        or (trial.on_trial(state, traffic, on_trial) if on_trial else None)
        or _probation(state, traffic, wanted)
        or (trial.deploying(state, traffic, wanted) if wanted else None)
        or _steady(state, traffic)
    )


def _retry(state: RolloutState, traffic: Traffic) -> RolloutDecision | None:
    """`viridian.dev/retry: <rejected revision>` gives the wanted revision another chance, once."""
    revision = state.wanted.revision if state.wanted else None
    command = state.retry_asked(revision) if revision else None
    if command is None or revision is None:
        return None
    return RolloutDecision(traffic, reasons.ROLLING_OUT, "the retry to be recorded", retried=(revision, command))


def _probation(state: RolloutState, traffic: Traffic, wanted: str | None) -> RolloutDecision | None:
    """The new champion is judged for a while; a breach goes back to the fallback, which is still at full size.

    A newer version would take the fallback's slot, so it waits until then. The fallback itself may come back at once.
    """
    fallback, other = fallback_revision(state, traffic), state.slot(traffic.champion.other)
    if fallback is None or not in_probation(state.inputs, traffic, state.now):
        return None
    analysis = state.spec.rollout.analysis
    said = judgements(state, traffic.champion, traffic.exposure) if analysis.metrics else ()
    crashes = rollback.crash_loop(state, traffic.champion, traffic.revision, traffic.exposure)
    worst = rollback.breached(said) if analysis.on_breach is OnBreach.ROLLBACK else None
    unserved = rollback.unserved(state, traffic.champion)
    failure_message = crashes or (worst.message if worst else unserved)
    if failure_message is None:
        if wanted == fallback:
            return None
        held = _held(state, traffic, wanted) if wanted else _steady(state, traffic)
        return replace(held, judgements=said)
    if other is None or other.revision != fallback or not other.serves:
        waiting = f"{failure_message}, but {state.version_of(fallback)} is not ready to take over"
        return RolloutDecision(traffic, reasons.FALLBACK_UNAVAILABLE, waiting, judgements=said)
    first = rollback.breach_began(state, traffic.champion, traffic.exposure, worst)
    if not crashes and worst is None:
        first = rollback.unserved_since(state, traffic.champion)
    reason = reasons.METRIC_BREACH if crashes or worst else reasons.CHAMPION_UNAVAILABLE
    return rollback.roll_back(state, traffic, fallback, reason, failure_message, breach_at=first)


def _held(state: RolloutState, traffic: Traffic, wanted: str) -> RolloutDecision:
    """A newer version waits for the end of the champion's probation."""
    champion, end = state.version_of(traffic.revision), probation_end(state.inputs, traffic)
    until = f", at {format_time(end)}" if end is not None else ""
    waiting = f"the end of the probation of {champion}{until}, before {state.version_of(wanted)} is deployed"
    return RolloutDecision(traffic, reasons.PROBATION, waiting)


def _steady(state: RolloutState, traffic: Traffic) -> RolloutDecision:
    """Nothing is on trial: the champion serves, and if what the spec asks for was turned away, it says so."""
    wanted = state.wanted
    rejected = state.rejected(wanted.revision) if wanted else None
    if wanted is not None and rejected is not None and wanted.revision != traffic.revision:
        said = f"{state.version_of(wanted.revision)} was turned away ({rejected.reason}): {rejected.message}"
        how = f"change the spec, or annotate viridian.dev/retry={wanted.revision}"
        stalled = (reasons.REVISION_REJECTED, f"{said}; {how}") if _is_pinned(state) else None
        return RolloutDecision(traffic, reasons.REVISION_REJECTED, said, stalled=stalled)
    if state.invalid_template:
        return RolloutDecision(traffic, state.invalid_reason, stalled=(state.invalid_reason, state.invalid_template))
    if wanted is not None and wanted.revision != traffic.revision:
        if state.spec.server.replicas == 0:
            return RolloutDecision(traffic, reasons.SCALING, "spec.server.replicas to be above 0")
        return RolloutDecision(traffic, reasons.PAUSED, "spec.rollout.paused to be removed")
    if state.asked(ROLLBACK_ANNOTATION, traffic.revision) and fallback_revision(state, traffic) is None:
        return RolloutDecision(traffic, reasons.NO_FALLBACK, "a former champion: a rollback was asked for")
    reason = reasons.PROBATION if in_probation(state.inputs, traffic, state.now) else reasons.SERVING
    return RolloutDecision(traffic, reason)


def _is_pinned(state: RolloutState) -> bool:
    """Whether Git decides the version: its rejection is a failed rollout, while an alias waits for the next one."""
    registry = state.spec.model.registry
    return registry is None or registry.alias is None


# ---- Before there is a champion ----


def _restored(state: RolloutState) -> Traffic | None:
    """The traffic record from what else is known, when the live Service or its record was destroyed."""
    selected = (state.inputs.live or {}).get("spec", {}).get("selector", {}).get(SLOT_LABEL)
    promoted = {
        slot: record.promoted_at or ""
        for slot, slot_state in state.inputs.slots.items()
        if (record := state.record(slot_state.revision)) is not None and record.promoted_at and not record.rejected
    }
    slot = Slot(selected) if selected in set(Slot) else max(promoted, key=lambda s: promoted[s], default=None)
    slot_state = state.slot(slot) if slot is not None else None
    if slot is None or slot_state is None or not slot_state.revision:
        return _from_records(state, slot or first_slot(state))
    others = sorted((at, s) for s, at in promoted.items() if s is not slot)
    former = state.slot(others[-1][1]) if others else None
    since = promoted.get(slot) or format_time_micros(state.now)
    return Traffic(slot, slot_state.revision, since, former.revision if former else "")


def _from_records(state: RolloutState, slot: Slot) -> Traffic | None:
    """The champion when not even its Deployment is left: the newest one that has not lost its good name."""
    promoted = [r for r in state.inputs.records.values() if r.promoted_at and not r.rejected]
    newest = max(promoted, key=lambda record: record.promoted_at or "", default=None)
    return Traffic(slot, newest.revision, newest.promoted_at or "") if newest is not None else None


def _first_deployment(state: RolloutState) -> RolloutDecision:
    if state.invalid_template:
        return RolloutDecision(None, state.invalid_reason, stalled=(state.invalid_reason, state.invalid_template))
    revision = _first_revision(state)
    if revision is None:
        awaited = f": {state.awaited.message}" if state.awaited else ""
        return RolloutDecision(None, reasons.FIRST_DEPLOYMENT, f"the model to be resolved{awaited}")
    if state.spec.rollout.paused:
        return RolloutDecision(None, reasons.PAUSED, "spec.rollout.paused to be removed")
    slot = first_slot(state)
    slot_state, shown = state.slot(slot), state.version_of(revision)
    if slot_state is None or slot_state.revision != revision:
        event = Event(
            EventType.NORMAL, reasons.EVENT_ROLLOUT_STARTED, f"{shown} is deployed to {slot}, the first champion"
        )
        return RolloutDecision(None, reasons.FIRST_DEPLOYMENT, f"{shown} to become ready", revision, events=(event,))
    if state.halted:
        reason, waiting = state.halted
        return RolloutDecision(None, reason, waiting, revision, stalled=(reason, f"waiting for {waiting}"))
    if slot_state.serves or (slot_state.settled and slot_state.replicas == 0):
        event = Event(EventType.NORMAL, reasons.EVENT_PROMOTED, f"{shown} is the first champion")
        return RolloutDecision(Traffic(slot, revision, format_time_micros(state.now)), reasons.SERVING, events=(event,))
    failure_message = state.failure_message(slot)
    late = (reasons.PROGRESS_DEADLINE_EXCEEDED, f"{shown} is not ready in time{failure_message}")
    refused = (slot_state.refused[0], f"{shown} is refused: {slot_state.refused[1]}") if slot_state.refused else None
    stalled = refused or (late if slot_state.deadline_exceeded else None)
    return RolloutDecision(
        None, reasons.FIRST_DEPLOYMENT, f"{shown} to become ready{failure_message}", revision, stalled=stalled
    )


def _first_revision(state: RolloutState) -> str | None:
    """What the first champion is to be; while the registry is silent, what is on its way goes on its way."""
    if state.wanted is not None:
        return state.wanted.revision
    slot_state = state.slot(first_slot(state))
    return slot_state.revision if slot_state is not None and state.record(slot_state.revision) is not None else None

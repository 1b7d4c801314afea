"""Ways back: every one of them is one write that takes the traffic away, and everything else comes after."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from viridian.api import durations, reasons
from viridian.api.names import REJECT_ANNOTATION, ROLLBACK_ANNOTATION, Slot
from viridian.api.samples import Idle
from viridian.core.plan import Event, EventType
from viridian.core.times import format_time_micros, parse_time
from viridian.judgement.canary import CanaryVerdict, Judgement
from viridian.rollout.analysis.evidence import first_bad_sample
from viridian.rollout.analysis.exposure import Exposure, restarts_within
from viridian.rollout.decision import Close, RolloutDecision
from viridian.rollout.state import RolloutState, fallback_revision
from viridian.rollout.traffic.record import Reverted, Traffic

# After this many restarts of a serving container within a trial nobody waits for its metrics.
CRASH_LOOP = 3
# A champion on probation that nobody serves for so long gives the traffic back: its fallback is ready all the while.
UNSERVED = timedelta(seconds=15)
# How long the pods that lost the traffic are kept, so that what they still answer is answered.
DRAIN = timedelta(seconds=10)


def reject(
    state: RolloutState,
    traffic: Traffic,
    revision: str,
    reason: str,
    message: str,
    *,
    by: str = "Viridian",
    breach_at: str = "",
) -> RolloutDecision:
    """Take the traffic from a challenger and remember why; it is not tried again."""
    exposed = traffic.trial is not None and traffic.trial.weight > 0
    said = f"{state.version_of(revision)} is rejected: {message}"
    kind = reasons.EVENT_ROLLED_BACK if exposed else reasons.EVENT_REJECTED
    reverted = Reverted(revision, reasons.REJECTED, reason, message, format_time_micros(state.now), breach_at, by)
    return RolloutDecision(
        traffic=replace(traffic, trial=None, reverted=reverted),
        reason=reason,
        waiting_for=said,
        close=Close((traffic.champion.other,), Idle.CLOSE) if exposed else None,
        events=(Event(EventType.WARNING, kind, said),),
    )


def emptied(state: RolloutState, traffic: Traffic) -> RolloutDecision | None:
    """What is left to do about a challenger that lost the traffic by losing its pods: the live Service says so too."""
    lost = state.emptied
    if lost is None:
        return None
    said = f"{state.version_of(lost.revision)} is rejected: {lost.message}"
    close = Close((traffic.champion.other,), Idle.CLOSE)
    return RolloutDecision(replace(traffic, trial=None, reverted=lost), lost.reason, said, close=close)


def roll_back(
    state: RolloutState,
    traffic: Traffic,
    to: str,
    reason: str,
    message: str,
    *,
    by: str = "Viridian",
    breach_at: str = "",
) -> RolloutDecision:
    """Give the traffic of a champion back to its warm fallback."""
    now = format_time_micros(state.now)
    said = f"{state.version_of(traffic.revision)} lost the traffic to {state.version_of(to)}: {message}"
    return RolloutDecision(
        traffic=Traffic(
            champion=traffic.champion.other,
            revision=to,
            since=now,
            cause="RolledBack",
            reverted=Reverted(traffic.revision, reasons.ROLLED_BACK, reason, message, now, breach_at, by),
        ),
        reason=reason,
        waiting_for=said,
        close=Close((traffic.champion,), Idle.CLOSE),
        events=(Event(EventType.WARNING, reasons.EVENT_ROLLED_BACK, said),),
    )


def unless_nobody_would_serve(state: RolloutState, traffic: Traffic, decision: RolloutDecision) -> RolloutDecision:
    """The move, or waiting where it would take users from a challenger that serves them to a champion that cannot.

    An answer is better than none, whatever is said about the challenger. Who wants no answers rather than these
    says so with `spec.server.replicas: 0`.
    """
    trial, after = traffic.trial, decision.traffic
    given_back = trial is not None and trial.weight > 0 and after is not None and after.trial is None
    if trial is None or not given_back or after is None or after.champion is not traffic.champion:
        return decision
    champion, challenger = state.slot(traffic.champion), state.slot(traffic.champion.other)
    can_take_over = champion is not None and champion.revision == traffic.revision and champion.serves
    serves = challenger is not None and challenger.revision == trial.revision and challenger.serves
    if can_take_over or not serves or state.spec.server.replicas == 0:
        return decision
    then = "".join(f"; then {event.message}" for event in decision.events)
    waiting = f"{state.version_of(traffic.revision)} to be ready to take over{then}"
    return RolloutDecision(traffic, reasons.FALLBACK_UNAVAILABLE, waiting, trial.revision, decision.judgements)


def breach_began(state: RolloutState, slot: Slot, exposure: Exposure | None, breached: Judgement | None) -> str:
    """When the first sample of a breach was seen; empty where no metric was breached."""
    if breached is None:
        return ""
    return format_time_micros(first_bad_sample(state, slot, exposure, breached.name) or state.now)


def breached(judgements: tuple[Judgement, ...]) -> Judgement | None:
    return next((judgement for judgement in judgements if judgement.verdict is CanaryVerdict.BREACH), None)


def crash_loop(state: RolloutState, slot: Slot, revision: str, exposure: Exposure | None = None) -> str | None:
    """The sentence about pods of this revision that crash again and again, within their exposure if there is one.

    One that waits for something and says so, such as the Secret of a key, is no such pod.
    """
    slot_state = state.slot(slot)
    pods = [pod for pod in slot_state.pods if pod.revision == revision] if slot_state else []
    crashes = {pod: restarts_within(exposure, pod.uid, pod.restarts) for pod in pods if not pod.waits}
    worst = max(crashes, key=lambda pod: crashes[pod], default=None)
    if worst is None or crashes[worst] < CRASH_LOOP:
        return None
    return f"pod {worst.name} restarted {crashes[worst]} times; {worst.last_words or 'see its log'}"


def unserved_since(state: RolloutState, slot: Slot) -> str:
    """Since when no pod of the slot is ready, while some are wanted; empty where one is, or nobody knows."""
    slot_state = state.slot(slot)
    since = (
        slot_state.unavailable_since
        if slot_state is not None and slot_state.replicas > 0 and not slot_state.serves
        else None
    )
    return format_time_micros(since) if since is not None else ""


def unserved(state: RolloutState, slot: Slot) -> str | None:
    """The sentence about a slot that has pods of which none has been ready for a while."""
    slot_state, since = state.slot(slot), parse_time(unserved_since(state, slot))
    if slot_state is None or since is None or state.now - since < UNSERVED:
        return None
    failure_message = state.failure_message(slot)
    return f"no pod of it has been ready for {durations.format_duration(state.now - since)}{failure_message}"


# ---- Commands of people ----


def rejected_by_person(state: RolloutState, traffic: Traffic, revision: str | None) -> RolloutDecision | None:
    """`viridian.dev/reject: <revision>` sends the candidate home at once."""
    command = state.asked(REJECT_ANNOTATION, revision) if revision else None
    if command is None or revision is None:
        return None
    return reject(state, traffic, revision, reasons.REJECTED_BY_PERSON, "rejected by annotation", by=command)


def rolled_back_by_person(state: RolloutState, traffic: Traffic) -> RolloutDecision | None:
    """`viridian.dev/rollback: <champion revision>` goes back to the fallback, as soon as that is ready.

    Where there is nothing to go back to, the command stops nothing.
    """
    command = state.asked(ROLLBACK_ANNOTATION, traffic.revision)
    to, other = fallback_revision(state, traffic), state.slot(traffic.champion.other)
    if command is None or to is None:
        return None
    if traffic.trial is not None:
        # The other slot holds the challenger: it makes room for the former champion first.
        said = f"{state.version_of(traffic.trial.revision)} makes room for a rollback"
        return reject(state, traffic, traffic.trial.revision, reasons.ROLLED_BACK_BY_PERSON, said, by=command)
    if other is None or other.revision != to or not other.serves:
        return RolloutDecision(
            traffic, reasons.FALLBACK_UNAVAILABLE, f"{state.version_of(to)} to be ready for the rollback"
        )
    return roll_back(state, traffic, to, reasons.ROLLED_BACK_BY_PERSON, "rolled back by annotation", by=command)

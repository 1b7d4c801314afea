"""What a trigger has seen since it last fired that has started no run, and why: for the status."""

from __future__ import annotations

from typing import Final

from viridian.api import reasons
from viridian.api.retrainpolicy_status import SuppressedTrigger
from viridian.core.times import format_time
from viridian.retraining.state import RetrainingState
from viridian.retraining.triggers.answered import last_fired
from viridian.retraining.triggers.trigger_state import TriggerState

MAX_COUNTED: Final = 100
_MISSED: Final = {
    reasons.MISSED: "was missed, and it is too late to start a run for it",
    reasons.RECENT_RUN: "is left out, since a run has made a candidate within unlessRunWithin",
}


def suppressed(state: RetrainingState, trigger: TriggerState) -> SuppressedTrigger | None:
    """None where everything that has occurred was answered by a run, or starts one now."""
    why = _why(state, trigger)
    return None if why is None else SuppressedTrigger(count=_count(state, trigger), reason=why[0], message=why[1])


def _why(state: RetrainingState, trigger: TriggerState) -> tuple[str, str] | None:
    unanswered = any(cause in trigger.occurred for cause in (*state.pending, *state.missed))
    if unanswered and _is_paused_schedule(state, trigger):
        return state.holds.pauses[0].reason, state.holds.pauses[0].message
    for cause, reason in state.missed.items():
        if cause in trigger.occurred:
            return reason, f"{cause.occurrence} {_MISSED[reason]}"
    pending = [cause for cause in state.pending if cause in trigger.occurred]
    own = next((hold for cause, hold in state.held.items() if cause in pending), None)
    held = _held(state) if pending else None
    return held or ((own.reason, own.message) if own is not None else None)


def _held(state: RetrainingState) -> tuple[str, str] | None:
    """The reason and the sentence; None where nothing holds it back."""
    if state.active is not None:
        return reasons.RUN_ACTIVE, f"run {state.active.id} is at work; the next run answers it"
    for pause in state.holds.pauses:
        return pause.reason, pause.message
    until = state.holds.cooling_until
    return (reasons.COOLDOWN, f"spec.budget.cooldown holds it back until {format_time(until)}") if until else None


def newest_seen(state: RetrainingState, trigger: TriggerState) -> str:
    """What the trigger saw last, for people; the times of a schedule say nothing new while triggers are paused."""
    newest = trigger.occurred[-1].occurrence if trigger.occurred else ""
    return trigger.seen or ("" if _is_paused_schedule(state, trigger) else newest)


def _is_paused_schedule(state: RetrainingState, trigger: TriggerState) -> bool:
    """A status that moved with each of its times would be written for ever, and nothing happens."""
    return trigger.recurring is not None and bool(state.holds.pauses)


def _count(state: RetrainingState, trigger: TriggerState) -> int | None:
    if _is_paused_schedule(state, trigger):
        return None
    newest = max((cause.at for cause in trigger.occurred if cause.at is not None), default=None)
    if trigger.recurring is None or newest is None:
        unanswered = {*state.pending, *state.missed}
        return sum(cause in unanswered for cause in trigger.occurred)
    began = last_fired(state.runs, trigger) or state.since.get(trigger.key) or state.facts.created
    return trigger.recurring.count(began, newest, MAX_COUNTED)

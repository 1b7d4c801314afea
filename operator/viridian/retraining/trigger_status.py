"""`status.triggers` and `status.unnamedTriggers`: what each trigger saw last, when it fired, and what holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from viridian.api.names import RUN_ANNOTATION
from viridian.api.objective import WatchedEdit
from viridian.api.retrainpolicy_status import TriggerStatus
from viridian.api.schema import MAX_WORD
from viridian.core.times import format_time
from viridian.retraining.state import RetrainingState
from viridian.retraining.suppression import newest_seen, suppressed
from viridian.retraining.triggers.answered import last_fired
from viridian.retraining.triggers.cause import MANUAL, Cause
from viridian.retraining.triggers.edits import OBJECTIVE, RUNTIME, SERVER
from viridian.retraining.triggers.trigger_state import TriggerState

UNNAMED: Final[Mapping[str, str]] = {
    OBJECTIVE: WatchedEdit.OBJECTIVE.value,
    RUNTIME: WatchedEdit.RUNTIME.value,
    SERVER: WatchedEdit.SERVER.value,
    MANUAL: RUN_ANNOTATION,
}
"""What starts runs without an entry in spec.triggers, and what a user writes for it."""


def trigger_statuses(state: RetrainingState) -> Iterator[TriggerStatus]:
    """The triggers of the spec."""
    for trigger in state.triggers:
        if trigger.name:
            fired, coming = last_fired(state.runs, trigger), _next_start(state, trigger)
            yield _shown(state, trigger.name, trigger, format_time(fired) if fired else None, coming)


def unnamed_statuses(state: RetrainingState) -> Iterator[TriggerStatus]:
    """All others that have occurred."""
    for source, name in UNNAMED.items():
        trigger = next((known for known in state.triggers if known.source == source), None)
        # These causes have no time of their own: what is known is when their run began.
        fired = max((run.created for run in state.runs if _is_caused_by(run.origin.causes, source)), default=None)
        if trigger is not None or fired is not None:
            yield _shown(state, name, trigger, fired)


def _is_caused_by(causes: tuple[Cause, ...], source: str) -> bool:
    return any(cause.source == source for cause in causes)


def _shown(
    state: RetrainingState, name: str, trigger: TriggerState | None, fired: str | None, coming: datetime | None = None
) -> TriggerStatus:
    return TriggerStatus(
        name=name,
        last_fired=fired or None,
        last_seen=(newest_seen(state, trigger)[:MAX_WORD] or None) if trigger is not None else None,
        suppressed=suppressed(state, trigger) if trigger is not None else None,
        next=format_time(coming) if coming else None,
    )


def _next_start(state: RetrainingState, trigger: TriggerState) -> datetime | None:
    """When it can start a run next: at its next time, or when the last pause ends if that comes later."""
    if trigger.next is None or not state.holds.paused:
        return trigger.next
    until = state.holds.paused_until
    return max(trigger.next, until) if until is not None else None

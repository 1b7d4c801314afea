"""What triggers have found that may not be seen later on, noted until a run has answered it.

A monitor may be quiet again before a pause ends, a query below its bound. What was found while automation was held back
starts a run all the same, once. Its identity is that of the first time it was seen: while it goes on, it is one cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from viridian.retraining.runs import Run
from viridian.retraining.triggers.answered import answered_causes
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.trigger_state import TriggerState


def with_noted(
    triggers: Sequence[TriggerState], noted: Sequence[Cause], runs: Sequence[Run]
) -> tuple[TriggerState, ...]:
    """The triggers, with what was noted of each in the place of what they find now."""
    answered = answered_causes(runs)
    waiting = [cause for cause in noted if not any(known.covers(cause) for known in answered)]
    return tuple(_with_noted(trigger, waiting) if trigger.fleeting else trigger for trigger in triggers)


def _with_noted(trigger: TriggerState, noted: Sequence[Cause]) -> TriggerState:
    mine = tuple(
        cause
        for cause in noted
        if cause.source == trigger.source and cause.is_of(trigger.name, trigger.key) and not _is_void(cause, trigger)
    )
    return replace(trigger, occurred=mine) if mine else trigger


def _is_void(cause: Cause, trigger: TriggerState) -> bool:
    """Whether it is about something that is not there any more, such as a former champion."""
    about = cause.evidence.get("revision", "")
    return bool(trigger.about and about) and about != trigger.about


def to_note(triggers: Sequence[TriggerState], pending: Sequence[Cause]) -> tuple[Cause, ...]:
    """What is to be noted now."""
    fleeting = [cause for trigger in triggers if trigger.fleeting for cause in trigger.occurred]
    return tuple(cause for cause in pending if cause in fleeting)

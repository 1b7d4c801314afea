"""What holds back a single trigger: its own cooldown after a run that it caused, or what its source says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from viridian.api import reasons
from viridian.core.times import format_time
from viridian.retraining.runs import Run
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.holds import Hold
from viridian.retraining.triggers.trigger_state import TriggerHold, TriggerState


def runs_of(trigger: TriggerState, runs: Sequence[Run]) -> Iterator[Run]:
    """The runs that it has caused, alone or with others: by its name, or by what it asks for."""
    for run in runs:
        causes = (cause for cause in run.origin.causes if cause.source == trigger.source)
        if any(
            (trigger.name and cause.trigger == trigger.name) or cause.is_of(trigger.name, trigger.key)
            for cause in causes
        ):
            yield run


def worked_until(trigger: TriggerState, runs: Sequence[Run], now: datetime) -> datetime | None:
    """Until when a run that it has caused was at work; None where there is none."""
    mine = [run.finished_at if run.finished is not None else now for run in runs_of(trigger, runs)]
    return max((at for at in mine if at is not None), default=None)


def cooldown_of(trigger: TriggerState, runs: Sequence[Run]) -> Hold | None:
    """The cooldown after the newest run that it has caused, in force or not."""
    ended = [run.finished_at for run in runs_of(trigger, runs) if run.finished_at is not None]
    return Hold(max(ended), max(ended) + trigger.cooldown) if ended and trigger.cooldown else None


def own_holds(
    triggers: Sequence[TriggerState], pending: Sequence[Cause], runs: Sequence[Run], now: datetime
) -> Mapping[Cause, TriggerHold]:
    """Of what is pending, all that starts no run by itself."""
    found = {}
    for trigger in triggers:
        mine = [cause for cause in pending if cause in trigger.occurred]
        hold = trigger.hold or _cooling(trigger, runs, now) if mine else None
        if hold is not None:
            found.update(dict.fromkeys(mine, hold))
    return found


def _cooling(trigger: TriggerState, runs: Sequence[Run], now: datetime) -> TriggerHold | None:
    cooldown = cooldown_of(trigger, runs)
    if cooldown is None or cooldown.until is None or cooldown.until <= now:
        return None
    message = f"the trigger's own cooldown holds it back until {format_time(cooldown.until)}"
    return TriggerHold(reasons.COOLDOWN, message, cooldown.until)

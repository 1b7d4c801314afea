"""What runs have answered, and which of them are the evidence of that: the records of runs are the only memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from viridian.retraining.data_state import NEW_DATA, data_key
from viridian.retraining.runs import Run
from viridian.retraining.triggers.cause import Cause
from viridian.retraining.triggers.trigger_state import TriggerState


def answered_causes(runs: Sequence[Run]) -> tuple[Cause, ...]:
    """Everything that runs have been made for."""
    return tuple(cause for run in runs for cause in _answered_by(run))


def _answered_by(run: Run) -> Iterator[Cause]:
    """What caused it, and the state of the data that it was given."""
    yield from run.origin.causes
    data = run.origin.resolved
    if data is not None:
        yield Cause(NEW_DATA, value=data.content, key=data_key(run.origin.data))


def last_fired(runs: Sequence[Run], trigger: TriggerState) -> datetime | None:
    """The newest occurrence that a run has answered: of the trigger by its name, else by its key."""
    return _newest_of_name(runs, trigger) or _newest_of_key(runs, trigger)


def evidence(runs: Sequence[Run], triggers: Iterable[TriggerState]) -> Iterator[str]:
    """Ids of the runs without which a cause that has been answered would start a run again."""
    for trigger in triggers:
        values = [cause for cause in trigger.occurred if cause.value]
        yield from (
            run.id for run in runs if any(known.covers(value) for known in _answered_by(run) for value in values)
        )
        for newest in (_newest_of_name, _newest_of_key):
            times = [(at, run.id) for run in runs if (at := newest([run], trigger)) is not None]
            yield from (run for _, run in [max(times)]) if times else ()


def _newest_of_name(runs: Sequence[Run], trigger: TriggerState) -> datetime | None:
    return _newest(cause for cause in answered_causes(runs) if cause.trigger == trigger.name)


def _newest_of_key(runs: Sequence[Run], trigger: TriggerState) -> datetime | None:
    causes = (cause for cause in answered_causes(runs) if cause.source == trigger.source)
    return _newest(cause for cause in causes if cause.is_of(trigger.name, trigger.key))


def _newest(causes: Iterable[Cause]) -> datetime | None:
    return max((cause.at for cause in causes if cause.at is not None), default=None)

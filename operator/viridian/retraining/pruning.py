"""What has had its time: records of finished runs with their Jobs, and events that runs have answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from viridian.retraining.handover import awaiting
from viridian.retraining.own_effects import is_effect_of
from viridian.retraining.received_events import KEPT, ReceivedEvent, read_received
from viridian.retraining.runs import Run
from viridian.retraining.state import RetrainingState
from viridian.retraining.triggers.answered import evidence
from viridian.retraining.triggers.event import EVENT


def prunable(state: RetrainingState) -> tuple[Run, ...]:
    """Finished runs beyond the history that the policy asks for, but none that is still evidence of something.

    A record is the memory of what its run answered. Without the one that answered the present annotation, the same
    value would start a second run; so would the newest time of a trigger whose record is gone. The volume of a run
    goes with its record, so a run in which a stage did its work for another one stays as long as that.
    """
    newest = state.finished[: state.spec.history.runs]
    kept = {run.id for run in newest} | set(_evidence(state)) | set(_made_for(newest)) | set(_made_for([state.at_work]))
    return tuple(run for run in state.finished if run.id not in kept)


def _made_for(runs: Iterable[Run | None]) -> Iterator[str]:
    """Ids of the earlier runs whose results count in these."""
    yield from (stage.note.cached for run in runs if run is not None for stage in run.stages if stage.note.cached)


def prunable_events(state: RetrainingState) -> tuple[ReceivedEvent, ...]:
    """Stored events for which no run is to be made any more, and that are old enough."""
    return tuple(event for event in _settled_events(state) if event.received + KEPT <= state.now)


def next_prunable_event(state: RetrainingState) -> datetime | None:
    """When the next one of them is old enough, as far as is known now."""
    return min((due for event in _settled_events(state) if (due := event.received + KEPT) > state.now), default=None)


def _settled_events(state: RetrainingState) -> Iterator[ReceivedEvent]:
    """The newest one of each trigger stays: the status shows it."""
    events = [trigger for trigger in state.triggers if trigger.source == EVENT]
    open_runs = (run.origin.causes for run in state.runs if run.finished is None)
    wanted = {cause.value for causes in (state.pending, *open_runs) for cause in causes if cause.source == EVENT}
    newest = {trigger.occurred[-1].value for trigger in events if trigger.occurred}
    stored = read_received(state.facts.records, state.facts.uid)
    yield from (event for event in stored if event.identity not in wanted | newest)


def _makers(state: RetrainingState) -> Iterator[str]:
    """Ids of the runs that stored events report the effects of: without its record, an event would be news."""
    followed = state.facts.followed
    causes = [cause for trigger in state.triggers if trigger.source == EVENT for cause in trigger.occurred]
    yield from (run.id for run in state.finished if any(is_effect_of(run, cause, followed) for cause in causes))


def _evidence(state: RetrainingState) -> Iterator[str]:
    yield from evidence(state.finished, state.triggers)
    yield from _makers(state)
    if state.data_quality.source is not None:
        yield state.data_quality.source.id
    yield from (look.id for look in state.data_quality.looks[:1])
    yield from (
        run.id for run in (*state.spending.evidence, *state.hand_overs, *state.breaker.row, *awaiting(state.finished))
    )

"""Which finished runs have had their time: their records, and their Jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from viridian.api.names import RUN_ANNOTATION
from viridian.retraining.runs import Run
from viridian.retraining.state import RetrainingState
from viridian.retraining.triggers.cause import manual
from viridian.retraining.triggers.pending import answered_until, last_fired


def prunable(state: RetrainingState) -> tuple[Run, ...]:
    """Finished runs beyond the history that the policy asks for, but none that is still evidence of something.

    A record is the memory of what its run answered. Without the one that answered the present annotation, the same
    value would start a second run; so would the newest time of a trigger whose record is gone.
    """
    kept = {run.id for run in state.finished[: state.spec.history.runs]} | set(_evidence(state))
    return tuple(run for run in state.finished if run.id not in kept)


def _evidence(state: RetrainingState) -> Iterator[str]:
    asked = manual(state.facts.annotations.get(RUN_ANNOTATION, ""))
    yield from (run.id for run in state.finished if asked in run.origin.causes)
    for trigger, timetable in state.schedules.items():
        fired = ((last_fired([run], trigger), run.id) for run in state.finished)
        answered = ((answered_until([run], trigger, timetable), run.id) for run in state.finished)
        yield from (*_newest(fired), *_newest(answered))
    if state.data_quality.source is not None:
        yield state.data_quality.source.id


def _newest(times: Iterable[tuple[datetime | None, str]]) -> Iterator[str]:
    """The run of the newest time."""
    known = [(at, run) for at, run in times if at is not None]
    yield from (run for _, run in [max(known)]) if known else ()

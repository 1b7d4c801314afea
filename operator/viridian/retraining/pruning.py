"""Which finished runs have had their time: their records, and their Jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from viridian.retraining.runs import Run
from viridian.retraining.state import RetrainingState
from viridian.retraining.triggers.answered import evidence


def prunable(state: RetrainingState) -> tuple[Run, ...]:
    """Finished runs beyond the history that the policy asks for, but none that is still evidence of something.

    A record is the memory of what its run answered. Without the one that answered the present annotation, the same
    value would start a second run; so would the newest time of a trigger whose record is gone. The volume of a run
    goes with its record, so a run in which a stage did its work for another one stays as long as that.
    """
    newest = state.finished[: state.spec.history.runs]
    kept = {run.id for run in newest} | set(_evidence(state)) | set(_made_for(newest)) | set(_made_for([state.active]))
    return tuple(run for run in state.finished if run.id not in kept)


def _made_for(runs: Iterable[Run | None]) -> Iterator[str]:
    """Ids of the earlier runs whose results count in these."""
    yield from (stage.note.cached for run in runs if run is not None for stage in run.stages if stage.note.cached)


def _evidence(state: RetrainingState) -> Iterator[str]:
    yield from evidence(state.finished, state.triggers)
    if state.data_quality.source is not None:
        yield state.data_quality.source.id
    yield from (run.id for run in (*state.spending.evidence, *state.breaker.row))

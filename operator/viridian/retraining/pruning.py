"""Which Jobs of finished runs have had their time."""

from __future__ import annotations

from collections.abc import Iterator

from viridian.api.names import RUN_ANNOTATION
from viridian.retraining.causes import Cause, manual
from viridian.retraining.runs import Run
from viridian.retraining.situation import Situation


def superfluous(situation: Situation) -> tuple[Run, ...]:
    """Finished runs beyond the history that the policy asks for, but none that is still evidence of something.

    A Job is the memory of what its run answered. Without the one that answered the present annotation, the same
    value would start a second run; so would the newest time of a trigger whose Job is gone.
    """
    kept = {run.id for run in situation.finished[: situation.spec.history.runs]} | set(_evidence(situation))
    return tuple(run for run in situation.finished if run.id not in kept)


def _evidence(situation: Situation) -> Iterator[str]:
    asked = manual(situation.facts.annotations.get(RUN_ANNOTATION, ""))
    yield from (run.id for run in situation.finished if asked in run.origin.causes)
    for trigger in situation.tables:
        newest = max(_times(situation, trigger), key=lambda pair: pair[0], default=None)
        if newest is not None:
            yield newest[1]
    if situation.quality.source is not None:
        yield situation.quality.source.id


def _times(situation: Situation, trigger: str) -> Iterator[tuple[float, str]]:
    for run in situation.finished:
        yield from ((_stamp(cause), run.id) for cause in run.origin.causes if cause.trigger == trigger)


def _stamp(cause: Cause) -> float:
    return cause.at.timestamp() if cause.at else 0.0

"""What the records of an object show of its life: an entry for each outcome, run, state of the data, and code.

Each comes from what was written by the part that saw the change first. Its id follows from the change alone, so it does
not matter who reads the record, and how often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from viridian.api import reasons
from viridian.api.lineage import Lineage
from viridian.api.names import REVISION_LABEL
from viridian.api.retrainpolicy_status import FinishedRun
from viridian.api.stage import RESOLVER_STAGE
from viridian.api.texts import one_line
from viridian.core.lookup import Object, labels_of
from viridian.core.ownership import Belongs, belongs
from viridian.retraining.data_state import DataState, resolved_by
from viridian.retraining.polled_data import seen_states
from viridian.retraining.records import RunRecord, read_records
from viridian.rollout.records import RevisionOutcome, RevisionRecord, parse
from viridian.rollout.traffic.record import BY_OPERATOR
from viridian.trail.trail_entry import MAX_MESSAGE, TrailEntry

_SHOWN_CAUSES: Final = 5


def entries_of_deployment(children: Sequence[Object], uid: str) -> Iterator[TrailEntry]:
    """What became of the revisions of a ModelDeployment."""
    for child in children:
        if labels_of(child).get(REVISION_LABEL) and belongs(child, uid) is Belongs.OURS:
            record = parse(child)
            yield from (_of_outcome(record, outcome) for outcome in record.outcomes) if record is not None else ()


def entries_of_policy(children: Sequence[Object], name: str, uid: str) -> Iterator[TrailEntry]:
    """The runs of a RetrainPolicy, and what they and its polls found to be new."""
    for at, state in seen_states(children, name, uid):
        yield _of_data(state, at)
    for record in read_records(children, uid):
        if (resolved := _resolved(record)) is not None:
            yield _of_data(resolved, record.created)
        yield _of_start(record)
        if record.finished is not None:
            yield from _of_end(record, record.finished)


def _resolved(record: RunRecord) -> DataState | None:
    """Which state of the data the resolver of the run has found."""
    note = record.notes.get(RESOLVER_STAGE)
    return resolved_by(note.result) if note is not None and note.result is not None else record.origin.resolved


def _of_outcome(record: RevisionRecord, outcome: RevisionOutcome) -> TrailEntry:
    why = ": ".join(part for part in (outcome.reason, outcome.message) if part)
    shown = f"{record.model.shown}, revision {record.revision}"
    return TrailEntry(
        id=f"{record.revision} {outcome.outcome} {outcome.at}",
        at=outcome.at,
        what=outcome.outcome,
        by=outcome.by,
        message=one_line(f"{shown}: {why}" if why else shown, MAX_MESSAGE),
    )


def _of_start(record: RunRecord) -> TrailEntry:
    origin = record.origin
    causes = [cause.identity for cause in origin.causes]
    shown = ", ".join(causes[:_SHOWN_CAUSES]) + (f" and {len(causes) - _SHOWN_CAUSES} more" if causes[5:] else "")
    message = f"run {record.run} for {shown or 'no known cause'}, image {origin.image or 'unknown'}"
    return TrailEntry(
        id=f"{record.run} started",
        at=record.created,
        what=reasons.RUN_STARTED,
        by=_person(tuple(origin.commands.values())) or BY_OPERATOR,
        message=one_line(message, MAX_MESSAGE),
    )


def _of_end(record: RunRecord, finished: FinishedRun) -> Iterator[TrailEntry]:
    """How the run ended, and the code where it is new with it."""
    at = finished.finished_at or record.created
    version = f" made version {finished.version}" if finished.version else ""
    if finished.lineage is not None and not {"code", "image"}.isdisjoint(finished.changed):
        yield _of_code(record, finished.lineage, at)
    yield TrailEntry(
        id=f"{record.run} {finished.outcome}",
        at=at,
        what=finished.outcome,
        by=_person(finished.commands) or BY_OPERATOR,
        message=one_line(f"run {record.run}{version}: {finished.message}", MAX_MESSAGE),
        changed=tuple(f"{part}: {_part(finished.lineage, part)}" for part in finished.changed),
    )


def _of_code(record: RunRecord, lineage: Lineage, at: str) -> TrailEntry:
    code, image = lineage.code_revision or "unknown", lineage.image_digest or record.origin.image or "unknown"
    message = f"run {record.run} trained with code {code}, image {image}"
    return TrailEntry(
        id=f"{record.run} code", at=at, what=reasons.NEW_CODE, by=BY_OPERATOR, message=one_line(message, MAX_MESSAGE)
    )


def _of_data(state: DataState, at: str) -> TrailEntry:
    return TrailEntry(
        id=f"data {state.content}",
        at=at,
        what=reasons.NEW_DATA,
        by=BY_OPERATOR,
        message=one_line(f"{state.uri} at {state.revision or state.digest}", MAX_MESSAGE),
    )


def _part(lineage: Lineage | None, part: str) -> str:
    if lineage is None:
        return "unknown"
    known = {
        "data": lineage.data_revision or lineage.data_digest or lineage.rows_digest,
        "features": lineage.features_digest,
        "code": lineage.code_revision,
        "image": lineage.image_digest,
        "parameters": lineage.parameters_digest,
        "model": lineage.model_digest,
    }
    return known.get(part) or "unknown"


def _person(commands: Sequence[str]) -> str:
    """Who wrote the newest of these commands with a name."""
    names = (command.rsplit("#", 1)[1].strip() for command in reversed(commands) if "#" in command)
    return next(names, "")

"""How far the stage of a run is, and what its record has to note of that before object and pods are gone."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from viridian.api.feedback import ROWS_DIGEST_VARIABLE
from viridian.api.lineage import CODE_REVISION_ANNOTATION
from viridian.api.names import SPOT_LABEL
from viridian.api.registry import TrainingRun
from viridian.api.stage import RESOLVER_STAGE, StageName
from viridian.core.lookup import annotations_of, entries, labels_of, mapping, text
from viridian.core.times import format_time, parse_time
from viridian.retraining.data_state import with_a_state
from viridian.retraining.mlflow_runs import is_untouched
from viridian.retraining.records import RunOrigin, StageNote, origin_of
from viridian.retraining.runs import Run, RunStage
from viridian.retraining.stages.state import SIDECAR_GRACE, StageOutcome, StageResult


def to_note(run: Run, now: datetime) -> StageNote:
    """The note about the stage as object and pods show it now; the same as before where they show nothing new."""
    stage = run.stage
    if stage.result is not None:
        return stage.note
    if stage.found is not None and (not stage.is_deleting or stage.kind.has_ended(stage.found)):
        given = _what_it_was_given(run, stage)
        result = stage.state.result or stage.state.outlasted(now) or stage.state.overdue(now)
        waiting = _waiting(stage, now) if result is None else stage.note.waiting
        return msgspec.structs.replace(given, waiting=waiting, result=_noted(stage, _dated(result, now)))
    return msgspec.structs.replace(stage.note, result=_noted(stage, _result_of_deleted(stage, now)))


def _noted(stage: RunStage, result: StageResult | None) -> StageResult | None:
    """The result as the record has it; None while there is none."""
    if result is not None and stage.name == RESOLVER_STAGE:
        result = with_a_state(result)
    return _with_costs(stage, _with_origins(stage, result))


def _with_origins(stage: RunStage, result: StageResult | None) -> StageResult | None:
    """The result with what its object says of code and rows, for the time when that is gone."""
    template = mapping(stage.found or stage.deleted, "spec", "template")
    main = next(iter(entries(template, "spec", "containers")), {})
    variables = {text(variable, "name"): text(variable, "value") for variable in entries(main, "env")}
    code, rows = annotations_of(template).get(CODE_REVISION_ANNOTATION, ""), variables.get(ROWS_DIGEST_VARIABLE, "")
    if result is None or not (code or rows):
        return result
    return msgspec.structs.replace(result, code_revision=str(code), rows_digest=rows)


def _dated(result: StageResult | None, now: datetime) -> StageResult | None:
    """The result with the time at which it was seen, where the object does not show when it ended."""
    return result if result is None or result.at else msgspec.structs.replace(result, at=format_time(now))


def _with_costs(stage: RunStage, result: StageResult | None) -> StageResult | None:
    """The result with what the stage took, as far as its pods are there to show it."""
    taken, spot = stage.state.cpu_seconds, SPOT_LABEL in labels_of(stage.found or stage.deleted or {})
    if result is None or not taken:
        return result
    return msgspec.structs.replace(result, cpu_seconds=round(taken, 3), spot=spot)


def _result_of_deleted(stage: RunStage, now: datetime) -> StageResult | None:
    """None while a pod goes on without its object, and where nobody has seen how the object was when it went."""
    last_seen = stage.found or stage.deleted
    result = stage.state.without_object(deleted=last_seen is not None)
    if result is not None or stage.state.alive or last_seen is None:
        return result
    return StageResult(outcome=StageOutcome.CANCELLED, at=format_time(now))


def leaves_no_trace(run: Run, now: datetime) -> bool:
    """Whether neither object nor pods show anything of the stage: it has not begun, or all of them are gone."""
    stage, until = run.stage, run.stage.state.watched_until
    may_be_shown = stage.state.alive or (until is not None and now < until)
    return stage.result is None and stage.found is None and not may_be_shown and to_note(run, now).result is None


def _what_it_was_given(run: Run, stage: RunStage) -> StageNote:
    """What the object was given, for the time when it is gone."""
    origin = origin_of(stage.found or {})
    seen = msgspec.structs.replace(
        stage.note,
        seen=stage.object_name,
        uid="" if stage.kind.is_watched else text(stage.found, "metadata", "uid"),
        began=stage.note.began or text(stage.found, "metadata", "creationTimestamp"),
    )
    if stage.note.seen or origin is None:
        return seen
    return given(run, seen, origin)


def given(run: Run, note: StageNote, origin: RunOrigin) -> StageNote:
    """The note with what differs from the record of what the stage works on."""
    recorded = run.record.origin
    return msgspec.structs.replace(
        note,
        mlflow_run=origin.mlflow_run,
        inputs=origin.inputs,
        joined=tuple(cause.recorded() for cause in origin.causes if cause not in recorded.causes),
        champion=origin.champion if origin.champion != recorded.champion else None,
        data=origin.data if origin.data != recorded.data else None,
        image=origin.image if origin.image != recorded.image else None,
        server=origin.server if origin.server != recorded.server else None,
        objective=origin.objective if origin.objective != recorded.objective else None,
    )


def _waiting(stage: RunStage, now: datetime) -> str:
    """The kind of what keeps the work from beginning: noted anew only when another kind of thing does."""
    found = waiting(stage, now)
    if not found:
        return "" if stage.state.working else stage.note.waiting
    return stage.note.waiting if _kind(found) == _kind(stage.note.waiting) else found


def _kind(sentence: str) -> str:
    """Its first words; the two names that the kubelet has for an image that cannot be pulled are one kind."""
    return " ".join(sentence.replace("ErrImagePull", "ImagePullBackOff").split()[:3])


def waiting(stage: RunStage, now: datetime) -> str:
    """What keeps the work from beginning, for people; empty when nothing does."""
    return stage.state.waiting.sentence(now) if stage.state.waiting else ""


def changes_at(stage: RunStage, now: datetime) -> datetime | None:
    """When there is something else to report or to note although nothing was observed."""
    state = stage.state
    times = [found.changes_at(now) for found in (state.waiting, state.failed) if found is not None]
    ended = parse_time(state.main_container.at) if state.main_container and state.lingering else None
    times += [max(ended + SIDECAR_GRACE, now + timedelta(seconds=1))] if ended else []
    times += [state.overdue_at, state.watched_until if stage.found is None else None]
    return min((time for time in times if time is not None and time > now), default=None)


def may_launch(run: Run, mlflow: TrainingRun) -> bool:
    """Whether the stage that the run is in has surely not begun: nothing of it was seen, nor has it left a mark.

    The first stage to work leaves a mark in its MLflow run, whatever it logs there; training that follows others leaves
    a model. Of any other stage nothing is known that was never seen, so its object is made again under the same name.
    """
    if run.stage.note.seen:
        return False
    if not run.mlflow_run:
        return is_untouched(mlflow)
    return run.stage.name != StageName.TRAINING or not mlflow.model_uri

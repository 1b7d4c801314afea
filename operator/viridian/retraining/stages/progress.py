"""How far the stage of a run is, and what its record has to note of that before Job and pods are gone."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from viridian.api.names import TRIGGER_ANNOTATION
from viridian.core.lookup import text
from viridian.core.times import format_time, parse_time
from viridian.retraining.records import StageNote, origin_of_job
from viridian.retraining.runs import Run
from viridian.retraining.stages.result import (
    SIDECAR_GRACE,
    Ending,
    JobState,
    has_ended,
    outlasted,
    without_job,
)


def to_note(run: Run, now: datetime) -> StageNote:
    """The note about the stage as Job and pods show it now; the same as before where they show nothing new."""
    if run.ending is not None:
        return run.note
    if run.job is not None and not _is_going(run):
        seen = _told(run)
        ending = run.result.ending or outlasted(run.result, now)
        waiting = _waiting(run, now)
        return msgspec.structs.replace(seen, waiting=waiting if ending is None else run.note.waiting, ending=ending)
    return msgspec.structs.replace(run.note, ending=_ending_of_deleted(run, now))


def _is_going(run: Run) -> bool:
    """Whether somebody has deleted the Job, and it goes once its pods are gone."""
    return bool(text(run.job, "metadata", "deletionTimestamp")) and not has_ended(run.job)


def _ending_of_deleted(run: Run, now: datetime) -> Ending | None:
    """None while a pod goes on without its Job, and where nobody has seen how the Job was when it went."""
    seen = run.job or run.deleted
    ended = without_job(run.result, deleted=seen is not None)
    if ended is not None or run.result.alive or seen is None:
        return ended
    return Ending(state=JobState.CANCELLED, at=format_time(now))


def untraced(run: Run, now: datetime) -> bool:
    """Whether neither Job nor pods tell anything of the stage: it has not begun, or all of them are gone."""
    may_be_told = run.result.alive or (run.result.news_until is not None and now < run.result.news_until)
    return run.ending is None and run.job is None and not may_be_told and to_note(run, now).ending is None


def _told(run: Run) -> StageNote:
    """What the Job was told, for the time when it is gone."""
    origin = origin_of_job(run.job or {}, TRIGGER_ANNOTATION)
    if run.note.job or origin is None:
        return msgspec.structs.replace(run.note, job=run.job_name)
    recorded = run.record.origin
    return msgspec.structs.replace(
        run.note,
        job=run.job_name,
        mlflow_run=origin.mlflow_run,
        joined=tuple(cause.recorded() for cause in origin.causes if cause not in recorded.causes),
        champion=origin.champion if origin.champion != recorded.champion else None,
        data=origin.data if origin.data != recorded.data else None,
    )


def _waiting(run: Run, now: datetime) -> str:
    """The kind of what keeps the work from beginning: noted anew only when another kind of thing does."""
    found = waiting(run, now)
    if not found:
        return "" if run.result.working else run.note.waiting
    return run.note.waiting if _kind(found) == _kind(run.note.waiting) else found


def _kind(sentence: str) -> str:
    """Its first words; the two names that the kubelet has for an image that cannot be pulled are one kind."""
    return " ".join(sentence.replace("ErrImagePull", "ImagePullBackOff").split()[:3])


def waiting(run: Run, now: datetime) -> str:
    """What keeps the work from beginning, for people; empty when nothing does."""
    return run.result.waiting.sentence(now) if run.result.waiting else ""


def changes_at(run: Run, now: datetime) -> datetime | None:
    """When there is something else to say or to note although nothing was heard."""
    times = [found.changes_at(now) for found in (run.result.waiting, run.result.failed) if found is not None]
    ended = parse_time(run.result.worker.at) if run.result.worker and run.result.lingering else None
    times += [max(ended + SIDECAR_GRACE, now + timedelta(seconds=1))] if ended else []
    times += [run.result.news_until] if run.job is None else []
    return min((time for time in times if time is not None and time > now), default=None)

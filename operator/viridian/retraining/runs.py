"""A run: its record, and what its Job shows now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from viridian.api.names import RUN_LABEL, TRIGGER_ANNOTATION, stage_job
from viridian.api.retrainpolicy import FinishedRun
from viridian.core.lookup import Object, labels_of, text
from viridian.core.ownership import Belongs, belongs
from viridian.core.times import parse_time
from viridian.retraining.input import PolicyFacts
from viridian.retraining.records import (
    TRAINING,
    RunOrigin,
    RunRecord,
    StageNote,
    causes_of,
    origin_of_job,
    read_records,
)
from viridian.retraining.stages.result import Ending, JobResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run."""

    record: RunRecord
    job_name: str
    # Its Job, while there is one.
    job: Object | None = field(default=None, repr=False)
    # The Job as it was when it was deleted, where this process has seen that.
    deleted: Object | None = field(default=None, repr=False)
    result: JobResult = field(default_factory=JobResult)

    @property
    def id(self) -> str:
        return self.record.run

    @property
    def note(self) -> StageNote:
        return self.record.note

    @property
    def origin(self) -> RunOrigin:
        """What it really worked on."""
        origin, note = self.record.origin, self.note
        return replace(
            origin,
            causes=(*origin.causes, *causes_of(note.joined)),
            champion=origin.champion if note.champion is None else note.champion,
            data=note.data or origin.data,
            mlflow_run=note.mlflow_run,
        )

    @property
    def ending(self) -> Ending | None:
        """How its stage ended, once that is noted."""
        return self.note.ending

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(cause.identity for cause in self.origin.causes)

    # None until it is decided about.
    @property
    def finished(self) -> FinishedRun | None:
        return self.record.finished

    @property
    def finished_at(self) -> datetime | None:
        return parse_time(self.finished.finished_at) if self.finished else None

    @property
    def created(self) -> str:
        return self.record.created


def read_runs(facts: PolicyFacts) -> tuple[Run, ...]:
    """All runs that the records tell of, the newest first."""
    jobs = {text(job, "metadata", "name"): job for job in owned_jobs(facts)}
    runs = (_run(facts, record, jobs) for record in read_records(facts.records, facts.uid))
    return tuple(sorted(runs, key=lambda run: (run.created, run.record.number, run.id), reverse=True))


def _run(facts: PolicyFacts, record: RunRecord, jobs: dict[str, Object]) -> Run:
    name = stage_job(facts.name, record.run, TRAINING)
    return Run(
        record=record,
        job_name=name,
        job=jobs.get(name),
        deleted=facts.deleted.get(name),
        result=facts.results.get(name, JobResult()),
    )


def owned_jobs(facts: PolicyFacts) -> tuple[Object, ...]:
    """The Jobs of this very policy, orphans included: the name of a Job, which is checked as well, says who made it."""
    return tuple(job for job in facts.jobs if belongs(job, facts.uid) is not Belongs.OTHERS)


def unrecorded(facts: PolicyFacts, runs: Sequence[Run]) -> tuple[tuple[str, RunOrigin], ...]:
    """Runs whose record is gone although their Job is there: the Job tells what the record said."""
    recorded = {run.id for run in runs}
    found = (
        (labels_of(job).get(RUN_LABEL, ""), origin_of_job(job, TRIGGER_ANNOTATION))
        for job in facts.jobs
        if belongs(job, facts.uid) is Belongs.OURS and not text(job, "metadata", "deletionTimestamp")
    )
    return tuple((run, origin) for run, origin in found if run and run not in recorded and origin and origin.causes)


def undecided_jobs(policy: Object, records: Sequence[Object]) -> Mapping[str, bool]:
    """The Jobs that have something to tell: of runs whose ending is not noted yet. True for one that was there once."""
    name, uid = text(policy, "metadata", "name"), text(policy, "metadata", "uid")
    return {
        stage_job(name, record.run, TRAINING): bool(record.note.job)
        for record in read_records(records, uid)
        if record.finished is None and record.note.ending is None
    }

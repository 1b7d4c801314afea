"""A run as its Job records it: what caused it, how far it is, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from viridian.api import reasons
from viridian.api.names import OUTCOME_ANNOTATION, RUN_LABEL, STAGE_LABEL, TRIGGER_ANNOTATION
from viridian.api.retrainpolicy import Data, FinishedRun
from viridian.plan.conditions import moment
from viridian.retraining.causes import Cause, parse
from viridian.retraining.objects import Object, annotations_of, dig, labels_of, text
from viridian.retraining.results import STILL_RUNNING, Ending, JobResult, ending
from viridian.retraining.snapshot import Facts, owned_jobs

TRAINING: Final = "training"
NO_DATA: Final = Data(uri="-")
"""What stands for the data of a policy that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a Job records about itself when it is made."""

    causes: tuple[Cause, ...] = ()
    mlflow_run: str = ""
    # Version of the champion that the stage was told of, empty when there was none.
    champion: str = ""
    data: Data = NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run."""

    id: str
    job: str
    job_uid: str
    origin: Origin
    created: str = ""
    ending: Ending = STILL_RUNNING
    # Attempts that failed.
    failures: int = 0
    result: JobResult = field(default_factory=JobResult)
    # None until it is decided about.
    finished: FinishedRun | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(cause.identity for cause in self.origin.causes)

    @property
    def finished_at(self) -> datetime | None:
        return moment(self.finished.finished_at) if self.finished else None


def read_runs(facts: Facts) -> tuple[Run, ...]:
    """All runs that the Jobs tell of, the newest first."""
    runs = (_run(job, facts.results) for job in owned_jobs(facts) if _is_training(job))
    return tuple(sorted(runs, key=lambda run: (run.created, run.id), reverse=True))


def _is_training(job: Object) -> bool:
    return labels_of(job).get(STAGE_LABEL) == TRAINING and bool(labels_of(job).get(RUN_LABEL))


def _run(job: Object, results: Mapping[str, JobResult]) -> Run:
    run, name, failed = labels_of(job)[RUN_LABEL], text(job, "metadata", "name"), dig(job, "status", "failed")
    recorded = annotations_of(job)
    return Run(
        id=run,
        job=name,
        job_uid=text(job, "metadata", "uid"),
        origin=_origin(recorded.get(TRIGGER_ANNOTATION, "")),
        created=text(job, "metadata", "creationTimestamp"),
        ending=ending(job),
        failures=failed if isinstance(failed, int) else 0,
        result=results.get(name, JobResult()),
        finished=_finished(run, recorded[OUTCOME_ANNOTATION]) if OUTCOME_ANNOTATION in recorded else None,
    )


def dump_origin(origin: Origin) -> str:
    """As `viridian.dev/trigger` has it."""
    return json.dumps(
        {
            "reasons": [cause.identity for cause in origin.causes],
            "mlflowRun": origin.mlflow_run,
            "champion": origin.champion,
            "data": {"uri": origin.data.uri, "revision": origin.data.revision},
        },
        ensure_ascii=False,
    )


def _origin(recorded: str) -> Origin:
    try:
        document: Any = json.loads(recorded)
    except (ValueError, RecursionError):
        return Origin()
    listed = dig(document, "reasons")
    return Origin(
        causes=causes_of(listed if isinstance(listed, list) else ()),
        mlflow_run=text(document, "mlflowRun"),
        champion=text(document, "champion"),
        data=Data(uri=text(document, "data", "uri") or NO_DATA.uri, revision=text(document, "data", "revision")),
    )


def causes_of(identities: Iterable[Any]) -> tuple[Cause, ...]:
    """The causes with these identities; what is none is left out."""
    return tuple(cause for known in identities if isinstance(known, str) and (cause := parse(known)) is not None)


def dump_finished(finished: FinishedRun) -> str:
    """As `viridian.dev/outcome` has it."""
    return msgspec.json.encode(finished).decode()


def _finished(run: str, recorded: str) -> FinishedRun:
    try:
        return msgspec.structs.replace(msgspec.json.decode(recorded, type=FinishedRun), id=run)
    except (msgspec.DecodeError, RecursionError):
        return FinishedRun(id=run, outcome=reasons.FAILED, message="the record of how it ended cannot be read")

"""What became of a Job: from the Job, from its pods, and where both are gone, from the MLflow run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from viridian.api.address import concealed
from viridian.api.registry import RunStatus, TrainingRun
from viridian.api.stage import FINAL_EXIT_CODES, MAX_REPORT_BYTES, ExitCode
from viridian.api.texts import one_line
from viridian.core.lookup import Object, dig, entries, mapping, text
from viridian.core.pods_waiting import Impediment, impediment
from viridian.core.times import format_time, parse_time

SIDECAR_GRACE: Final = timedelta(seconds=15)
"""How long other containers may go on after the one that does the work; after that its exit code decides."""
OPEN: Final = (RunStatus.RUNNING, RunStatus.SCHEDULED)


class JobState(StrEnum):
    """How a stage ended."""

    COMPLETE = "Complete"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class Ending(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How a stage ended. It is noted on the record as soon as it is seen, since Job and pods may go at any time."""

    state: JobState
    at: str = ""
    reason: str = ""
    """Of the Job's final condition."""
    message: str = ""
    exit_code: int | None = None
    """Of the container that does the work; None when its pods are gone."""
    said: str = ""
    """Its termination message."""
    lost: bool = False
    """It ended well, but the pod that did is gone, and with it what it said."""
    failures: int = 0
    """Attempts that failed."""
    killed: str = ""
    """Why it was ended from outside, such as OOMKilled."""
    lingering: str = ""
    """Containers that kept the pod alive after that."""
    restored: bool = False
    """It ended long before the record was made: the record of then is gone, and MLflow remembers the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What a Job and its pods show now."""

    ending: Ending | None = None
    """By the Job's own conditions; None while it has none that is final."""
    worker: Ending | None = None
    """The container that does the work has ended, whatever the Job says."""
    lingering: tuple[str, ...] = ()
    """Containers that still run in the pod whose worker has ended."""
    waiting: Impediment | None = None
    """What keeps the work from beginning."""
    failed: Impediment | None = None
    """How the newest attempt that failed ended, while another one is made."""
    failures: int = 0
    """Attempts that failed."""
    working: bool = False
    """The work goes on."""
    alive: bool = False
    """A pod lives that nobody has asked to end."""
    news_until: datetime | None = None
    """Until then the watch may still tell how a Job ended that is not there any more."""


def job_result(job: Object | None, pods: Sequence[Object]) -> JobResult:
    """What a Job and its pods show; `job` is None once it is gone.

    The newest pod counts; of a complete Job, the newest that succeeded.
    """
    final = _final_condition(job)
    complete = final is not None and text(final, "type") == JobState.COMPLETE
    name = worker_name(mapping(job, "spec", "template"))
    ordered = sorted(pods, key=lambda pod: text(pod, "metadata", "creationTimestamp"))
    counted = [pod for pod in ordered if not complete or dig(_state(pod, name), "terminated", "exitCode") == 0]
    newest: Object = counted[-1] if counted else {}
    state = _state(newest, name)
    failed = [pod for pod in ordered if text(pod, "status", "phase") == "Failed"]
    failures = max(len(failed), _count(job, "failed"))
    worker = _worker_ending(newest, mapping(state, "terminated"), failures)
    return JobResult(
        ending=_job_ending(job or {}, final, worker, lost=complete and not counted) if final is not None else None,
        worker=worker,
        lingering=_lingering(newest) if worker else (),
        waiting=None if final is not None else _waiting(job or {}, ordered, newest, state),
        failed=impediment(_work_of(failed[-1], name)) if failed and final is None else None,
        failures=failures,
        working="running" in state,
        alive=any(map(_lives, pods)),
    )


def _work_of(pod: Object, worker: str) -> Object:
    """The pod without the containers beside the one that does the work: those are ended when it has ended."""
    status, name = mapping(pod, "status"), worker or worker_name(pod)
    own = [known for known in entries(status, "containerStatuses") if text(known, "name") == name]
    return {**pod, "status": {**status, "containerStatuses": own}}


def _waiting(job: Object, pods: Sequence[Object], newest: Object, state: Object) -> Impediment | None:
    """Why nothing runs, from the newest pod; where there is no pod at all, from the Job."""
    if "running" in state or "terminated" in state:
        return None
    suspended = next((c for c in entries(job, "status", "conditions") if text(c, "type") == "Suspended"), {})
    if text(suspended, "status") == "True" or dig(job, "spec", "suspend") is True:
        return Impediment("its Job is suspended, and a queue such as Kueue, or a person, has to resume it")
    if pods:
        return impediment(newest)
    since = parse_time(text(job, "status", "startTime")) or parse_time(text(job, "metadata", "creationTimestamp"))
    name = f"kubectl -n {text(job, 'metadata', 'namespace')} describe job {text(job, 'metadata', 'name')}"
    target = next((c for c in entries(job, "status", "conditions") if text(c, "type") == "FailureTarget"), {})
    told = f"{text(target, 'reason')}: {text(target, 'message')}; " if target else ""
    what = f"{told}no pod has been created: does a quota or an admission policy refuse it? {name}"
    return Impediment(what, since=since) if since is not None else None


def _count(job: Object | None, field: str) -> int:
    count = dig(job, "status", field)
    return count if isinstance(count, int) else 0


def _final_condition(job: Object | None) -> Object | None:
    for condition in entries(job, "status", "conditions"):
        if text(condition, "type") in (JobState.COMPLETE, JobState.FAILED) and text(condition, "status") == "True":
            return condition
    return None


def has_ended(job: Object | None) -> bool:
    """Whether the Job has a final condition."""
    return _final_condition(job) is not None


def _job_ending(job: Object, condition: Object, worker: Ending | None, *, lost: bool) -> Ending:
    return Ending(
        state=JobState(text(condition, "type")),
        at=text(job, "status", "completionTime") or text(condition, "lastTransitionTime"),
        reason=text(condition, "reason"),
        message=one_line(text(condition, "message"), MAX_REPORT_BYTES),
        exit_code=worker.exit_code if worker else None,
        said=worker.said if worker else "",
        lost=lost,
        failures=_count(job, "failed"),
        killed=worker.killed if worker else "",
    )


def _worker_ending(pod: Object, terminated: Object, failures: int) -> Ending | None:
    code, reason = dig(terminated, "exitCode"), text(terminated, "reason")
    if not isinstance(code, int):
        return None
    return Ending(
        state=JobState.COMPLETE if code == ExitCode.DONE else JobState.FAILED,
        at=text(terminated, "finishedAt") or text(pod, "metadata", "creationTimestamp"),
        exit_code=code,
        # As it stands, since it may be a document; what is read from it is cleaned then.
        said=concealed(text(terminated, "message")[:MAX_REPORT_BYTES]),
        failures=failures,
        killed="" if reason in ("Completed", "Error") else reason,
    )


def _lingering(pod: Object) -> tuple[str, ...]:
    if not _lives(pod):
        return ()
    statuses = entries(pod, "status", "containerStatuses")
    return tuple(text(status, "name") for status in statuses if "running" in mapping(status, "state"))


def _lives(pod: Object) -> bool:
    ended = text(pod, "status", "phase") in ("Succeeded", "Failed")
    return not ended and not text(pod, "metadata", "deletionTimestamp")


def worker_name(template: Object) -> str:
    """The first container does the work; others are its company."""
    containers = entries(template, "spec", "containers")
    return text(containers[0], "name") if containers else ""


def _state(pod: Object, worker: str) -> Object:
    """The state of the container that does the work."""
    statuses = entries(pod, "status", "containerStatuses")
    name = worker or worker_name(pod)
    return next((mapping(status, "state") for status in statuses if text(status, "name") == name), {})


_EXIT_CODE = re.compile(r"exit code ([0-9]{1,3})\b")


def exit_code(ending: Ending) -> int | None:
    """The code with which the work ended. Where the pods are gone, the Job's own condition may still name it."""
    if ending.state is JobState.COMPLETE:
        return ExitCode.DONE
    if ending.exit_code is not None:
        return ending.exit_code
    named = _EXIT_CODE.search(ending.message)
    return int(named.group(1)) if named else None


def outlasted(result: JobResult, now: datetime) -> Ending | None:
    """The ending of a worker whose company has had its time to end as well."""
    at = parse_time(result.worker.at) if result.worker and result.lingering else None
    if result.worker is None or at is None or now < at + SIDECAR_GRACE:
        return None
    return msgspec.structs.replace(result.worker, lingering=", ".join(result.lingering))


def without_job(result: JobResult, *, deleted: bool) -> Ending | None:
    """How a stage ended whose Job is gone, as far as its last pod tells.

    `deleted`: the Job was seen without a final condition when it went. Then an error may have been one of several
    attempts, so only what no retry would change counts.
    """
    if result.ending is not None or result.worker is None or result.alive:
        return result.ending
    final = result.worker.exit_code in (ExitCode.DONE, *FINAL_EXIT_CODES)
    return result.worker if final or not deleted else None


def from_mlflow(run: TrainingRun | None, now: datetime, *, restored: bool = False) -> Ending:
    """How a stage ended of which nothing is left but its MLflow run. The trainer closes that, or has logged a model."""
    at = format_time((run.ended_at if run is not None else None) or now)
    if run is not None and (run.status is RunStatus.FINISHED or (run.status in OPEN and run.model_uri)):
        return Ending(state=JobState.COMPLETE, at=at, lost=True, restored=restored)
    if run is not None and run.status is RunStatus.FAILED:
        return Ending(state=JobState.FAILED, at=at, message="its MLflow run was closed as FAILED", restored=restored)
    return Ending(state=JobState.CANCELLED, at=at, restored=restored)


def trained(run: TrainingRun) -> bool:
    """Whether anything was logged to the run: then a Job has worked on it."""
    return bool(run.model_uri or run.metrics or run.params)

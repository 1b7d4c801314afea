"""What became of a Job, from the Job and its pods; and what the stage told in its last words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from viridian.api.stage import ExitCode
from viridian.retraining.objects import Object, dig, entries, mapping, text


class JobState(StrEnum):
    """How far a Job has come, by its own conditions."""

    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What the pods of a Job show of the container that does the work."""

    # None while it has not ended, or when its pods are gone.
    exit_code: int | None = None
    # The termination message.
    message: str = ""
    # The Job is complete, but the pod that completed it is gone, and with it what it said.
    lost: bool = False
    # What keeps it from starting, empty when nothing does: an image that cannot be pulled, for example.
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """A Job's final condition."""

    state: JobState
    reason: str = ""
    message: str = ""
    at: str = ""


STILL_RUNNING: Final = Ending(JobState.RUNNING)


def ending(job: Object) -> Ending:
    """The final condition of a Job, RUNNING while it has none."""
    for condition in entries(job, "status", "conditions"):
        kind = text(condition, "type")
        if kind in (JobState.COMPLETE, JobState.FAILED) and text(condition, "status") == "True":
            at = text(job, "status", "completionTime") or text(condition, "lastTransitionTime")
            return Ending(JobState(kind), text(condition, "reason"), text(condition, "message"), at)
    return STILL_RUNNING


def job_result(job: Object, pods: Sequence[Object]) -> JobResult:
    """What the newest pod shows; of a complete Job, the newest that succeeded."""
    worker = worker_name(job)
    seen = [(_created(pod), state) for pod in pods if (state := _state(pod, worker))]
    complete = ending(job).state is JobState.COMPLETE
    if complete:
        seen = [entry for entry in seen if dig(entry[1], "terminated", "exitCode") == 0]
    newest: Object = max(seen, key=lambda entry: entry[0], default=("", {}))[1]
    code = dig(newest, "terminated", "exitCode")
    return JobResult(
        exit_code=code if isinstance(code, int) else None,
        message=text(newest, "terminated", "message"),
        lost=complete and not seen,
        waiting=_waiting(newest),
    )


def worker_name(job: Object) -> str:
    """The first container does the work; others are its company."""
    containers = entries(job, "spec", "template", "spec", "containers")
    return text(containers[0], "name") if containers else ""


def _created(pod: Object) -> str:
    return text(pod, "metadata", "creationTimestamp")


def _state(pod: Object, worker: str) -> Object:
    """The state of the working container; an init container that is stuck before it counts too."""
    statuses = entries(pod, "status", "containerStatuses")
    own = next((mapping(status, "state") for status in statuses if text(status, "name") == worker), {})
    if "terminated" in own or "running" in own:
        return own
    before = (mapping(status, "state") for status in entries(pod, "status", "initContainerStatuses"))
    return next((state for state in before if _waiting(state)), own)


_STUCK = re.compile(r"^(ErrImage|ImagePull|InvalidImage|CreateContainer|CrashLoop|RunContainer)")


def _waiting(state: Object) -> str:
    reason, message = text(state, "waiting", "reason"), text(state, "waiting", "message")
    if not _STUCK.match(reason):
        return ""
    return f"{reason}: {message}" if message else reason


_EXIT_CODE = re.compile(r"exit code (\d+)")


def exit_code(result: JobResult, ending: Ending) -> int | None:
    """The code with which the work ended. Where the pods are gone, the Job's own condition may still name it."""
    if ending.state is JobState.COMPLETE:
        return ExitCode.DONE
    if result.exit_code is not None:
        return result.exit_code
    named = _EXIT_CODE.search(ending.message)
    return int(named.group(1)) if named else None

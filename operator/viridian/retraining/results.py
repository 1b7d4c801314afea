"""What became of a Job, from the Job and its pods; and what the stage told in its last words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final

from viridian.retraining.objects import Object, dig, entries, mapping, text


class ExitCode(IntEnum):
    """Endings of a stage that mean something; any other is an error."""

    DONE = 0
    BAD_DATA = 64
    BAD_CANDIDATE = 65
    NOTHING_TO_DO = 66


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
        return 0
    if result.exit_code is not None:
        return result.exit_code
    named = _EXIT_CODE.search(ending.message)
    return int(named.group(1)) if named else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A termination message, understood: the document of CONTRACTS 1, or else just what was said."""

    metrics: tuple[tuple[str, float], ...] = ()
    holdout: str = ""
    model_uri: str = ""
    model_digest: str = ""
    # What the run trained on: uri, revision, digest.
    data: tuple[tuple[str, str], ...] = ()
    # Why the stage could not judge the champion.
    champion_problem: str = ""
    failures: tuple[str, ...] = ()
    said: str = ""


def report(message: str) -> Report:
    """The report in a termination message; whatever in it is not as agreed is left out."""
    try:
        document: Any = json.loads(message)
    except (ValueError, RecursionError):
        return Report(said=message.strip())
    if not isinstance(document, dict):
        return Report(said=message.strip())
    failures = document.get("failures")
    return Report(
        metrics=_numbers(mapping(document, "metrics")),
        holdout=text(document, "holdout"),
        model_uri=text(document, "model", "uri"),
        model_digest=text(document, "model", "digest"),
        data=tuple((part, said) for part in ("uri", "revision", "digest") if (said := text(document, "data", part))),
        champion_problem=text(document, "champion", "problem"),
        failures=tuple(_sentence(entry) for entry in failures) if isinstance(failures, list) else (),
    )


def _numbers(found: Object) -> tuple[tuple[str, float], ...]:
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float)}
    return tuple((name, _float(value)) for name, value in numbers.items() if not isinstance(value, bool))


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _sentence(entry: Any) -> str:
    return entry if isinstance(entry, str) else json.dumps(entry, default=str)

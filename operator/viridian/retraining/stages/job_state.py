"""How far a Job is: from its conditions, and from its pods, of which the newest counts."""

from __future__ import annotations

from collections.abc import Sequence

from viridian.api.address import concealed
from viridian.api.stage import MAX_REPORT_BYTES, ExitCode
from viridian.api.texts import one_line
from viridian.core.lookup import Object, dig, entries, mapping, text
from viridian.core.pods_waiting import Impediment, impediment
from viridian.core.times import parse_time
from viridian.retraining.stages.cpu_time import cpu_seconds
from viridian.retraining.stages.pod_template import main_container
from viridian.retraining.stages.state import StageOutcome, StageResult, StageState


def job_state(job: Object | None, pods: Sequence[Object]) -> StageState:
    """What a Job and its pods show; `job` is None once it is gone.

    The newest pod counts; of a complete Job, the newest that succeeded.
    """
    final = _final_condition(job)
    complete = final is not None and text(final, "type") == StageOutcome.COMPLETE
    name = main_container(mapping(job, "spec", "template"))
    ordered = sorted(pods, key=lambda pod: text(pod, "metadata", "creationTimestamp"))
    counted = [pod for pod in ordered if not complete or dig(_state(pod, name), "terminated", "exitCode") == 0]
    newest: Object = counted[-1] if counted else {}
    state = _state(newest, name)
    failed = [pod for pod in ordered if text(pod, "status", "phase") == "Failed"]
    failures = max(len(failed), _count(job, "failed"))
    main = _main_result(newest, mapping(state, "terminated"), failures, _image_digest(newest, name))
    return StageState(
        result=_job_result(job or {}, final, main, lost=complete and not counted) if final is not None else None,
        main_container=main,
        lingering=_lingering(newest) if main else (),
        waiting=None if final is not None else _waiting(job or {}, ordered, newest, state),
        failed=impediment(_work_of(failed[-1], name)) if failed and final is None else None,
        failures=failures,
        cpu_seconds=cpu_seconds(pods),
        working="running" in state,
        alive=any(map(_lives, pods)),
    )


def _work_of(pod: Object, main: str) -> Object:
    """The pod without the containers beside the one that does the work: those are ended when it has ended."""
    status, name = mapping(pod, "status"), main or main_container(pod)
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
    failure = f"{text(target, 'reason')}: {text(target, 'message')}; " if target else ""
    what = f"{failure}no pod has been created: does a quota or an admission policy refuse it? {name}"
    return Impediment(what, since=since) if since is not None else None


def _count(job: Object | None, field: str) -> int:
    count = dig(job, "status", field)
    return count if isinstance(count, int) else 0


def _final_condition(job: Object | None) -> Object | None:
    ended = (StageOutcome.COMPLETE, StageOutcome.FAILED)
    found = (one for one in entries(job, "status", "conditions") if text(one, "status") == "True")
    return next((one for one in found if text(one, "type") in ended), None)


def has_ended(job: Object | None) -> bool:
    """Whether the Job has a final condition."""
    return _final_condition(job) is not None


def _job_result(job: Object, condition: Object, main: StageResult | None, *, lost: bool) -> StageResult:
    return StageResult(
        outcome=StageOutcome(text(condition, "type")),
        at=text(job, "status", "completionTime") or text(condition, "lastTransitionTime"),
        reason=text(condition, "reason"),
        message=one_line(text(condition, "message"), MAX_REPORT_BYTES),
        exit_code=main.exit_code if main else None,
        termination_message=main.termination_message if main else "",
        lost=lost,
        failures=_count(job, "failed"),
        killed=main.killed if main else "",
        image_digest=main.image_digest if main else "",
    )


def _main_result(pod: Object, terminated: Object, failures: int, image_digest: str) -> StageResult | None:
    code, reason = dig(terminated, "exitCode"), text(terminated, "reason")
    if not isinstance(code, int):
        return None
    return StageResult(
        outcome=StageOutcome.COMPLETE if code == ExitCode.DONE else StageOutcome.FAILED,
        at=text(terminated, "finishedAt") or text(pod, "metadata", "creationTimestamp"),
        exit_code=code,
        # As it stands, since it may be a document; what is read from it is cleaned then.
        termination_message=concealed(text(terminated, "message")[:MAX_REPORT_BYTES]),
        failures=failures,
        killed="" if reason in ("Completed", "Error") else reason,
        image_digest=image_digest,
    )


def _lingering(pod: Object) -> tuple[str, ...]:
    if not _lives(pod):
        return ()
    statuses = entries(pod, "status", "containerStatuses")
    return tuple(text(status, "name") for status in statuses if "running" in mapping(status, "state"))


def _lives(pod: Object) -> bool:
    ended = text(pod, "status", "phase") in ("Succeeded", "Failed")
    return not ended and not text(pod, "metadata", "deletionTimestamp")


def _state(pod: Object, main: str) -> Object:
    """The state of the container that does the work."""
    return mapping(_status(pod, main), "state")


def _image_digest(pod: Object, main: str) -> str:
    """`sha256:…` of what the node pulled: the tag in the template may name another image by now."""
    pulled = text(_status(pod, main), "imageID")
    return pulled[found:] if (found := pulled.rfind("sha256:")) >= 0 else ""


def _status(pod: Object, main: str) -> Object:
    statuses, name = entries(pod, "status", "containerStatuses"), main or main_container(pod)
    return next((status for status in statuses if text(status, "name") == name), {})

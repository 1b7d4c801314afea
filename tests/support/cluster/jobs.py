"""The Job controller and the kubelet, simulated: each call moves one Job one step on, towards a scripted outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.support.cluster.clock import moment, stamp
from tests.support.cluster.deployments import CONTROLLER, KUBELET, owner_reference, with_conditions
from tests.support.cluster.store import Store
from viridian.ports.cluster import Object


@dataclass(frozen=True)
class Outcome:
    """How one pod of a Job ends: when (seconds after its start), with which exit code and termination message."""

    exit_code: int = 0
    message: str = ""
    after: float = 0
    effect: Callable[[Object], None] | None = None
    """What the container does to the rest of the world; called once per pod, with the Job."""


Outcomes = Mapping[str, Outcome | Sequence[Outcome]]


@dataclass(frozen=True)
class _Verdict:
    kind: str
    reason: str
    message: str


def step_job(store: Store, job: Object, outcomes: Outcomes) -> None:
    """Starts a pod, ends it when its time has come, counts, and closes the Job; a finished Job is left alone."""
    if _finished(job):
        return
    if job["spec"].get("suspend"):
        _report_suspended(store, job)
        return
    pods = store.children(job["metadata"]["uid"], "Pod")
    running = [pod for pod in pods if _phase(pod) in ("Pending", "Running")]
    for pod in running:
        _run(store, job, pod, _outcome(job, outcomes, pods.index(pod)))
    pods = store.children(job["metadata"]["uid"], "Pod")
    verdict = _verdict(store, job, pods)
    active = [pod for pod in pods if _phase(pod) in ("Pending", "Running")]
    if verdict is None and not active:
        active = [_create_pod(store, job)]
    if verdict is not None and verdict.kind == "Failed":
        for pod in active:
            store.update({**pod, "status": {**pod["status"], "phase": "Failed"}}, KUBELET, subresource="status")
        active = []
    _report(store, job, active, verdict)


def _outcome(job: Object, outcomes: Outcomes, attempt: int) -> Outcome | None:
    """By the Job's name, one of its labels' values, or `*`; None while the test has not decided."""
    metadata = job["metadata"]
    for key in (metadata["name"], *metadata.get("labels", {}).values(), "*"):
        if key in outcomes:
            found = outcomes[key]
            return found if isinstance(found, Outcome) else found[min(attempt, len(found) - 1)]
    return None


def _create_pod(store: Store, job: Object) -> Object:
    template, metadata = job["spec"]["template"], job["metadata"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **{key: dict(template["metadata"].get(key, {})) for key in ("labels", "annotations")},
            "name": f"{metadata['name']}-{store.serial()}",
            "namespace": metadata["namespace"],
            "ownerReferences": [owner_reference(job)],
        },
        "spec": template["spec"],
        "status": {"phase": "Pending"},
    }
    return store.update(pod, CONTROLLER)


def _run(store: Store, job: Object, pod: Object, outcome: Outcome | None) -> None:
    now = store.clock()
    if _phase(pod) == "Pending":
        status: Object = {"phase": "Running", "startTime": stamp(now), "podIP": "10.245.0.1"}
        running = {"running": {"startedAt": stamp(now)}}
        status["containerStatuses"] = [{"name": _main(pod), "ready": True, "state": running}]
        store.update({**pod, "status": status}, KUBELET, subresource="status")
        return
    started = moment(pod["status"]["startTime"])
    if outcome is None or now < started + timedelta(seconds=outcome.after):
        return
    if outcome.effect is not None:
        outcome.effect(job)
    terminated: Object = {
        "exitCode": outcome.exit_code,
        "reason": "Error" if outcome.exit_code else "Completed",
        "startedAt": pod["status"]["startTime"],
        "finishedAt": stamp(now),
    }
    if outcome.message:
        terminated["message"] = outcome.message
    status = {**pod["status"], "phase": "Failed" if outcome.exit_code else "Succeeded"}
    status["containerStatuses"] = [{"name": _main(pod), "ready": False, "state": {"terminated": terminated}}]
    store.update({**pod, "status": status}, KUBELET, subresource="status")


def _verdict(store: Store, job: Object, pods: Sequence[Object]) -> _Verdict | None:
    if any(_phase(pod) == "Succeeded" for pod in pods):
        return _Verdict("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
    failed = [pod for pod in pods if _phase(pod) == "Failed"]
    actions = [_policy_action(job, pod) for pod in failed]
    if "FailJob" in actions:
        pod = failed[actions.index("FailJob")]
        return _Verdict("Failed", "PodFailurePolicy", f"Container {_main(pod)} failed with exit code {_exit_code(pod)}")
    if actions.count("Count") > job["spec"]["backoffLimit"]:
        return _Verdict("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    deadline, started = job["spec"].get("activeDeadlineSeconds"), job.get("status", {}).get("startTime")
    if deadline and started and store.clock() >= moment(started) + timedelta(seconds=deadline):
        return _Verdict("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def _policy_action(job: Object, pod: Object) -> str:
    """What the first matching rule of the podFailurePolicy says of a failed pod."""
    for rule in job["spec"].get("podFailurePolicy", {}).get("rules", []):
        codes = rule.get("onExitCodes")
        if codes and _exit_code(pod) and (_exit_code(pod) in codes["values"]) == (codes["operator"] == "In"):
            return str(rule["action"])
        kinds = {entry["type"] for entry in rule.get("onPodConditions", [])}
        if kinds & {c["type"] for c in pod["status"].get("conditions", []) if c["status"] == "True"}:
            return str(rule["action"])
    return "Count"


def _report(store: Store, job: Object, active: Sequence[Object], verdict: _Verdict | None) -> None:
    pods = store.children(job["metadata"]["uid"], "Pod")
    old = job.get("status", {})
    now = stamp(store.clock())
    counts = {
        "active": len(active),
        "succeeded": sum(_phase(pod) == "Succeeded" for pod in pods),
        "failed": sum(_phase(pod) == "Failed" for pod in pods),
    }
    status: Object = {"startTime": old.get("startTime", now), **{key: n for key, n in counts.items() if n}}
    status |= {
        "ready": sum(_phase(pod) == "Running" for pod in active),
        "terminating": 0,
        "uncountedTerminatedPods": {},
    }
    if verdict:
        before = "SuccessCriteriaMet" if verdict.kind == "Complete" else "FailureTarget"
        why = {"status": "True", "reason": verdict.reason, "message": verdict.message}
        new = [{"type": kind, **why} for kind in (before, verdict.kind)]
        status["conditions"] = with_conditions([], new, now)
        if verdict.kind == "Complete":
            status["completionTime"] = now
    if status != old:
        store.update({**job, "status": status}, CONTROLLER, subresource="status")


def _report_suspended(store: Store, job: Object) -> None:
    why = {"type": "Suspended", "status": "True", "reason": "JobSuspended", "message": "Job suspended"}
    conditions = with_conditions(job.get("status", {}).get("conditions", []), [why], stamp(store.clock()))
    status = {"conditions": conditions, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    if status != job.get("status"):
        store.update({**job, "status": status}, CONTROLLER, subresource="status")


def _finished(job: Mapping[str, Any]) -> bool:
    kinds = {c["type"] for c in job.get("status", {}).get("conditions", []) if c["status"] == "True"}
    return bool(kinds & {"Complete", "Failed"})


def _phase(pod: Mapping[str, Any]) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def _main(pod: Mapping[str, Any]) -> str:
    return str(pod["spec"]["containers"][0]["name"])


def _exit_code(pod: Mapping[str, Any]) -> int:
    statuses = pod["status"].get("containerStatuses", [])
    ended = [s["state"]["terminated"] for s in statuses if "terminated" in s.get("state", {})]
    return int(ended[0]["exitCode"]) if ended else 0

"""The Deployment controller and the kubelet, simulated: each call looks at the world and moves it one step on.

There are no ReplicaSets: pods belong to their Deployment and tell templates apart by `pod-template-hash`. Pods that are
deleted are gone at once. Numbers that are zero are absent from a status, as on the real server.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from tests.support.cluster.clock import moment, stamp
from tests.support.cluster.store import Store, reference_of
from viridian.api.names import REVISION_LABEL
from viridian.ports.cluster import Object

TEMPLATE_HASH = "pod-template-hash"
CONTROLLER = "kube-controller-manager"
KUBELET = "kubelet"


@dataclass(frozen=True)
class Readiness:
    """How pods fare: ready so many seconds after their start, or never, with what their init container says."""

    after: float | None = 0
    init_failure: str = ""


READY = Readiness()
NEVER_READY = Readiness(after=None)


def slow(seconds: float) -> Readiness:
    return Readiness(after=seconds)


def fetch_fails(message: str) -> Readiness:
    return Readiness(after=None, init_failure=message)


def step_deployment(store: Store, deployment: Object) -> None:
    """Creates and deletes pods towards the template and the number wanted, then reports."""
    spec, pods = deployment["spec"], store.children(deployment["metadata"]["uid"], "Pod")
    wanted, current = spec["replicas"], template_hash(spec["template"])
    new = [pod for pod in pods if pod["metadata"]["labels"].get(TEMPLATE_HASH) == current]
    old = [pod for pod in pods if pod not in new]
    if spec["strategy"]["type"] == "Recreate" and old:
        _delete(store, old)
        new = []
    else:
        for _ in range(len(new), wanted):
            new.append(_create_pod(store, deployment, current))
        surplus = sorted(new, key=is_ready)[: max(0, len(new) - wanted)]
        _delete(store, surplus)
        _delete(store, _replaceable(new, old, wanted))
    _report(store, reference_of(deployment), current)


def step_pod(store: Store, pod: Object, readiness: Mapping[str, Readiness]) -> None:
    """Starts a pod of a Deployment, and makes it ready when its time has come."""
    now = store.clock()
    status = pod.get("status", {})
    started = moment(status["startTime"]) if "startTime" in status else now
    fate = _fate(pod, readiness)
    # A pod that was started in the future, by a clock that has gone back since, is ready.
    ready = fate.after is not None and not started <= now < started + timedelta(seconds=fate.after)
    conditions = [{"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady")]
    wanted = {
        **status,
        "phase": "Pending" if fate.init_failure else "Running",
        "podIP": status.get("podIP") or _address(pod),
        "startTime": stamp(started),
        "conditions": with_conditions(status.get("conditions", []), conditions, stamp(now)),
        "containerStatuses": [_container_status(c, ready, fate, stamp(started)) for c in pod["spec"]["containers"]],
    }
    if "initContainers" in pod["spec"]:
        wanted["initContainerStatuses"] = [_init_status(c, fate) for c in pod["spec"]["initContainers"]]
    if wanted != status:
        store.update({**pod, "status": wanted}, KUBELET, subresource="status")


def step_budget(store: Store, budget: Object) -> None:
    """Reports on a PodDisruptionBudget; nothing is ever evicted here."""
    selector = budget["spec"]["selector"]["matchLabels"].items()
    pods = [o for r, o in store.objects() if r.kind == "Pod" and selector <= o["metadata"]["labels"].items()]
    healthy = sum(map(is_ready, pods))
    spare = budget["spec"].get("maxUnavailable", 1)
    status = {
        "observedGeneration": budget["metadata"]["generation"],
        "currentHealthy": healthy,
        "expectedPods": len(pods),
        "desiredHealthy": max(0, len(pods) - spare) if isinstance(spare, int) else 0,
        "disruptionsAllowed": max(0, healthy - max(0, len(pods) - spare)) if isinstance(spare, int) else 0,
    }
    if status != budget.get("status"):
        store.update({**budget, "status": status}, CONTROLLER, subresource="status")


def is_ready(pod: Mapping[str, Any]) -> bool:
    return condition(pod, "Ready").get("status") == "True" and "deletionTimestamp" not in pod["metadata"]


def condition(content: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    found = [c for c in content.get("status", {}).get("conditions", []) if c["type"] == kind]
    return found[0] if found else {}


def template_hash(template: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(template, order="deterministic")).hexdigest()[:10]


def with_conditions(old: list[Object], new: list[Object], now: str) -> list[Object]:
    """The new conditions with the time of their last transition."""
    before = {c["type"]: c for c in old}
    result = []
    for entry in new:
        was = before.get(entry["type"], {})
        since = was.get("lastTransitionTime", now) if was.get("status") == entry["status"] else now
        result.append({**entry, "lastTransitionTime": since})
    return result


def _create_pod(store: Store, deployment: Object, current: str) -> Object:
    metadata, template = deployment["metadata"], deployment["spec"]["template"]
    inner = template.get("metadata", {})
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{metadata['name']}-{current}-{store.serial()}",
            "namespace": metadata["namespace"],
            "labels": {**inner.get("labels", {}), TEMPLATE_HASH: current},
            "annotations": dict(inner.get("annotations", {})),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": template["spec"],
        "status": {"phase": "Pending"},
    }
    return store.update(pod, CONTROLLER)


def owner_reference(owner: Object) -> Object:
    identity = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    named = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return {**identity, **named, "controller": True, "blockOwnerDeletion": True}


def _replaceable(new: list[Object], old: list[Object], wanted: int) -> list[Object]:
    """Old pods that may go: those that serve nobody, and as many ready ones as new ones have made up for."""
    unready = [pod for pod in old if not is_ready(pod)]
    ready = [pod for pod in old if is_ready(pod)]
    spare = len(ready) + sum(map(is_ready, new)) - wanted
    return unready + ready[: max(0, spare)]


def _delete(store: Store, pods: list[Object]) -> None:
    for pod in pods:
        store.delete(reference_of(pod))


def _report(store: Store, reference: Any, current: str) -> None:
    deployment = store.get(reference)
    assert deployment is not None
    pods = store.children(deployment["metadata"]["uid"], "Pod")
    updated = [pod for pod in pods if pod["metadata"]["labels"].get(TEMPLATE_HASH) == current]
    ready = sum(map(is_ready, pods))
    available = sum(_is_available(store, deployment, pod) for pod in pods)
    numbers = {
        "replicas": len(pods),
        "updatedReplicas": len(updated),
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": max(0, deployment["spec"]["replicas"] - available),
    }
    status = {"observedGeneration": deployment["metadata"]["generation"], **{k: n for k, n in numbers.items() if n}}
    status["conditions"] = _conditions(store, deployment, numbers)
    if status != deployment.get("status"):
        store.update({**deployment, "status": status}, CONTROLLER, subresource="status")


def _is_available(store: Store, deployment: Object, pod: Object) -> bool:
    if not is_ready(pod):
        return False
    least = deployment["spec"].get("minReadySeconds", 0)
    since = moment(condition(pod, "Ready")["lastTransitionTime"])
    return least == 0 or store.clock() >= since + timedelta(seconds=least)


def _conditions(store: Store, deployment: Object, numbers: Mapping[str, int]) -> list[Object]:
    now, wanted = store.clock(), deployment["spec"]["replicas"]
    enough = numbers["availableReplicas"] >= wanted - _max_unavailable(deployment)
    available = {
        "type": "Available",
        "status": str(enough),
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    }
    status, reason, last = _progress(store, deployment, numbers)
    progressing = {"type": "Progressing", "status": status, "reason": reason, "lastUpdateTime": last}
    old = deployment.get("status", {}).get("conditions", [])
    return with_conditions(old, [available, progressing], stamp(now))


def _progress(store: Store, deployment: Object, numbers: Mapping[str, int]) -> tuple[str, str, str]:
    """Status, reason and time of the last progress. Once complete, only another template starts the deadline anew."""
    now, wanted, was = stamp(store.clock()), deployment["spec"]["replicas"], condition(deployment, "Progressing")
    status = deployment.get("status", {})
    last = was.get("lastUpdateTime", now)
    if numbers["replicas"] == numbers["updatedReplicas"] == numbers["availableReplicas"] == wanted:
        return "True", "NewReplicaSetAvailable", last if was.get("reason") == "NewReplicaSetAvailable" else now
    counted = ("updatedReplicas", "readyReplicas", "availableReplicas")
    moved = any(numbers[key] > status.get(key, 0) for key in counted) or numbers["replicas"] < status.get("replicas", 0)
    if was.get("reason") == "NewReplicaSetAvailable" and numbers["updatedReplicas"] and status.get("updatedReplicas"):
        return "True", "NewReplicaSetAvailable", last
    if moved or not was:
        return "True", "ReplicaSetUpdated", now
    deadline = moment(last) + timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])
    if was["status"] == "False" or store.clock() > deadline:
        return "False", "ProgressDeadlineExceeded", last
    return "True", was["reason"], last


def _max_unavailable(deployment: Object) -> int:
    """Percentages are rounded down; with no surge at least one pod may be missing."""
    replicas = deployment["spec"]["replicas"]
    rolling = deployment["spec"]["strategy"].get("rollingUpdate", {})
    value = rolling.get("maxUnavailable", 0)
    if isinstance(value, str):
        value = math.floor(replicas * int(value.rstrip("%")) / 100)
    return int(value) or (1 if rolling.get("maxSurge") in (0, "0%") else 0)


def _fate(pod: Object, readiness: Mapping[str, Readiness]) -> Readiness:
    """By the name of the pod, its revision, or the name of its Deployment."""
    metadata = pod["metadata"]
    owners = [owner["name"] for owner in metadata.get("ownerReferences", [])]
    for key in (metadata["name"], metadata.get("labels", {}).get(REVISION_LABEL), *owners):
        if key in readiness:
            return readiness[key]
    return READY


def _address(pod: Object) -> str:
    number = int(pod["metadata"]["uid"].rpartition("-")[2], 16)
    return f"10.244.{number // 250 % 250}.{number % 250 + 1}"


def _container_status(container: Object, ready: bool, fate: Readiness, started: str) -> Object:
    waiting = {"waiting": {"reason": "PodInitializing"}}
    state = waiting if fate.init_failure else {"running": {"startedAt": started}}
    return {"name": container["name"], "image": container["image"], "ready": ready, "restartCount": 0, "state": state}


def _init_status(container: Object, fate: Readiness) -> Object:
    status = {"name": container["name"], "image": container["image"], "ready": not fate.init_failure, "restartCount": 0}
    if not fate.init_failure:
        return {**status, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": fate.init_failure}}
    return {**status, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended}

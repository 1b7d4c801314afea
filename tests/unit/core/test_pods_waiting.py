"""Why a pod does not work yet, from statuses as kubelet and scheduler write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viridian.core.pods_waiting import GRACE, Impediment, impediment, next_mention, roughly, unready
from viridian.core.times import format_time

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
NO_NODE = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."


def ago(seconds: float) -> str:
    return format_time(NOW - timedelta(seconds=seconds))


def scheduled(seconds: float) -> dict[str, Any]:
    return {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(seconds)}


def pod(spec: dict[str, Any] | None = None, leaving: bool = False, **status: Any) -> dict[str, Any]:
    metadata = {"name": "churn-green-1", "uid": "u", "creationTimestamp": ago(3600)}
    if leaving:
        metadata["deletionTimestamp"] = ago(5)
    return {"metadata": metadata, "spec": {"nodeName": "node-1", **(spec or {})}, "status": status}


def waits(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"name": "server", "state": {"waiting": {"reason": reason, "message": message}}, **more}


def said(found: Impediment | None, now: datetime = NOW) -> str:
    return found.sentence(now) if found is not None else ""


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_NODE}
GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "the last lines of a log"}}
LIMITED = {"containers": [{"name": "server", "resources": {"limits": {"memory": "64Mi"}}}]}


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (pod(phase="Pending", conditions=[UNSCHEDULED]), f"it is not scheduled: {NO_NODE}"),
        (pod(phase="Pending", conditions=[GATED]), "it is not scheduled: SchedulingGated"),
        (pod(phase="Failed", reason="Evicted", message="The node was low on memory."), "Evicted: The node was low"),
        (pod(phase="Pending", containerStatuses=[waits("ErrImageNeverPull", "no image x")]),
         "server: ErrImageNeverPull: no image x"),
        (pod(phase="Pending", containerStatuses=[waits("CreateContainerConfigError", 'secret "s" not found')]),
         'server: CreateContainerConfigError: secret "s" not found'),
        (pod(phase="Pending", containerStatuses=[waits("SomethingNew")]), "server: SomethingNew"),
        (pod(phase="Running", containerStatuses=[waits("CrashLoopBackOff", "back-off 10s", lastState=KILLED)]),
         "server: OOMKilled: it took more memory than its node had"),
        (pod(LIMITED, phase="Running", containerStatuses=[{"name": "server", "state": KILLED}]),
         "server: OOMKilled: it took more memory than its limit of 64Mi"),
        (pod(phase="Running", containerStatuses=[
            {"name": "server", "state": {"running": {}}, "ready": False,
             "lastState": {"terminated": {"exitCode": 3, "message": "no such model\n"}}}]), "server: no such model"),
        (pod(phase="Pending", initContainerStatuses=[{"name": "fetch", "state": {"terminated": {"exitCode": 9}}}]),
         "fetch: exit code 9"),
    ],
    ids=["no node", "gate", "evicted", "never pulled", "no Secret", "unknown reason", "killed for memory", "its limit",
         "crashed before", "init failed"],
)  # fmt: skip
def test_what_is_wrong_is_said_at_once(shown: dict[str, Any], words: str) -> None:
    assert said(impediment(shown)).startswith(words)


VOLUMES = {
    "volumes": [
        {"name": "tmp", "emptyDir": {}},
        {"name": "a", "configMap": {"name": "settings"}},
        {"name": "b", "secret": {"secretName": "keys", "optional": True}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "cache"}},
    ]
}
SANDBOX = {"type": "PodReadyToStartContainers", "status": "True"}
FETCHING = {"name": "fetch", "state": {"running": {"startedAt": ago(41)}}}


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (pod(VOLUMES, phase="Pending", conditions=[scheduled(41)], containerStatuses=[waits("ContainerCreating")]),
         "its volumes (ConfigMap settings, PersistentVolumeClaim cache) and network are being set up, for 40s now"),
        (pod(phase="Pending", conditions=[scheduled(41), SANDBOX], containerStatuses=[waits("PodInitializing")]),
         "its images are being pulled, for 40s now"),
        (pod(phase="Pending", conditions=[scheduled(41)], initContainerStatuses=[FETCHING],
             containerStatuses=[waits("PodInitializing")]),
         "fetch: this init container is at work, for 40s now"),
        (pod(phase="Pending", conditions=[scheduled(125)]),
         "the kubelet of node node-1 has not reported on it, for 2m now"),
    ],
    ids=["volumes", "images", "init", "kubelet"],
)  # fmt: skip
def test_what_every_pod_goes_through_is_said_when_it_takes_long(shown: dict[str, Any], words: str) -> None:
    found = impediment(shown)
    assert said(found) == words
    assert found is not None
    assert found.since is not None
    assert said(found, found.since + GRACE - timedelta(seconds=1)) == ""


def running(ready: bool = False, seconds: float = 65, **more: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": ago(3000)}
    server = {"name": "server", "state": {"running": {"startedAt": ago(seconds)}}, "ready": ready, **more}
    return pod(phase="Running", conditions=[condition], containerStatuses=[server])


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (running(started=True), "server: it runs, but its readiness probe has not succeeded, for 1m now"),
        (running(started=False), "server: it runs, but its startup probe has not succeeded, for 1m now"),
        (running(seconds=5), ""),
        (running(ready=True), ""),
    ],
    ids=["readiness", "startup", "just begun", "ready"],
)
def test_a_pod_that_runs_and_is_not_ready(shown: dict[str, Any], words: str) -> None:
    assert impediment(shown) is None
    assert said(unready(shown)) == words


def test_a_readiness_gate_that_nobody_opens() -> None:
    shown = running()
    shown["spec"]["readinessGates"] = [{"conditionType": "example.com/open"}]
    shown["status"]["containerStatuses"][0]["ready"] = True
    assert said(unready(shown)) == "its readiness gate example.com/open is not open, for 30m now"


@pytest.mark.parametrize(
    "shown",
    [
        pod(phase="Running", containerStatuses=[{"name": "server", "state": {"running": {}}, "ready": True}]),
        pod(phase="Succeeded"),
        pod(phase="Pending", leaving=True, conditions=[UNSCHEDULED]),
        {"metadata": {"name": "n", "uid": "u"}},
        pod(phase="Running", containerStatuses=[
            {"name": "server", "state": {"running": {}}, "ready": True, "lastState": KILLED}]),
    ],
    ids=["runs", "done", "is being deleted", "without status", "recovered"],
)  # fmt: skip
def test_nothing_keeps_the_others(shown: dict[str, Any]) -> None:
    assert impediment(shown) is None
    assert unready(shown) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(10, "10s"), (59, "40s"), (61, "1m"), (3599, "30m"), (7199, "1h"), (86400, "1d"), (400000, "4d")],
)
def test_times_are_rounded_down_to_what_people_say(seconds: float, words: str) -> None:
    assert roughly(timedelta(seconds=seconds)) == words


@given(st.floats(0, 1e6))
def test_a_sentence_stays_the_same_until_its_next_mention(seconds: float) -> None:
    now = NOW + timedelta(seconds=seconds)
    after = next_mention(NOW, now)
    assert after > now
    assert roughly(after - NOW) != roughly(now - NOW)
    shortly_before = after - timedelta(milliseconds=1)
    assert shortly_before < now or roughly(shortly_before - NOW) == roughly(now - NOW)

"""Why a pod does not do its work yet, as its own status tells: scheduler, volumes, images, init steps, crashes, probes.

A fault is reported at once. What every pod goes through is reported when it takes longer than `GRACE`, with the time in
coarse steps: a message that counted seconds would be a write to the status at every look. Events are not read, so a
volume that cannot be mounted shows as a start that takes long, with the names of what the pod mounts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from viridian.api.stage import MAX_REPORT_BYTES
from viridian.api.texts import one_line
from viridian.core.times import parse_time

Object = Mapping[str, Any]

GRACE: Final = timedelta(seconds=10)
"""A start that takes longer is worth a word."""
_SECONDS: Final = (10, 20, 30, 40, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400)
_NORMAL: Final = ("", "ContainerCreating", "PodInitializing")
"""Reasons that every container waits with before it starts."""
_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class Impediment:
    """What keeps a pod from its work."""

    what: str
    container: str = ""
    """The container that it is about; empty where it is about the whole pod."""
    since: datetime | None = None
    """Since when a normal step takes; None for what is wrong at once."""

    def sentence(self, now: datetime) -> str:
        """What people read; empty while a normal step may still take its time."""
        cause = f"{self.container}: {self.what}" if self.container else self.what
        if self.since is None:
            return cause
        return f"{cause}, for {roughly(now - self.since)} now" if now - self.since >= GRACE else ""

    def of(self, pod: str) -> Impediment:
        """The same about a pod that is named."""
        return replace(self, container=f"pod {pod}, {self.container}" if self.container else f"pod {pod}")

    def changes_at(self, now: datetime) -> datetime | None:
        """When the sentence becomes another one although the pod stays as it is."""
        return next_mention(self.since, now) if self.since is not None else None


def roughly(length: timedelta) -> str:
    """A length of time, rounded down to one of a few that a person would say."""
    seconds = length.total_seconds()
    step = max((step for step in _SECONDS if step <= seconds), default=0)
    if step >= _SECONDS[-1]:
        return f"{int(seconds // step)}d"
    return f"{step // 3600}h" if step >= 3600 else f"{step // 60}m" if step >= 60 else f"{step}s"


def next_mention(since: datetime, now: datetime) -> datetime:
    """When `roughly` next says something else of the time that has passed."""
    seconds = (now - since).total_seconds()
    day = _SECONDS[-1]
    return since + timedelta(seconds=next((s for s in _SECONDS if s > seconds), (seconds // day + 1) * day))


def impediment(pod: Object) -> Impediment | None:
    """Why not all of the pod's containers run; None for one that runs, has done its work, or is being deleted."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") == "Succeeded":
        return None
    return _failed(status) or _unscheduled(status) or next(_stuck(pod, status), None) or _starting(pod, status)


def unready(pod: Object) -> Impediment | None:
    """Why a pod that serves gets no requests although its containers run."""
    status = pod.get("status") or {}
    ready = _condition(status, "Ready")
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") != "Running" or ready.get("status") == "True":
        return None
    changed = parse_time(ready.get("lastTransitionTime")) or _started(pod, status)
    for container in status.get("containerStatuses") or ():
        running = (container.get("state") or {}).get("running")
        if running is None or container.get("ready"):
            continue
        probe = "startup" if container.get("started") is False else "readiness"
        begun = parse_time(running.get("startedAt"))
        since = max((at for at in (begun, changed) if at is not None), default=None)
        return _slow(f"it runs, but its {probe} probe has not succeeded", since, str(container.get("name")))
    gates = [gate.get("conditionType", "") for gate in pod.get("spec", {}).get("readinessGates") or ()]
    closed = [gate for gate in gates if _condition(status, gate).get("status") != "True"]
    return _slow(f"its readiness gate {closed[0]} is not open", changed) if closed else None


def _slow(what: str, since: datetime | None, container: str = "") -> Impediment | None:
    """A normal step; without the time at which it began nobody can say that it takes long."""
    return Impediment(what, container, since) if since is not None else None


def last_words(pod: Object, name: str) -> str:
    """Why a container was last started anew, although it may run well by now."""
    status = pod.get("status") or {}
    states = [c.get("lastState") or {} for c in _containers(status) if c.get("name") == name]
    ended = next((state["terminated"] for state in states if state.get("terminated")), None)
    return _end(pod, name, ended) if ended is not None else ""


# ---- What is wrong at once


def _failed(status: Object) -> Impediment | None:
    """Evicted, refused by its node, ended with it: the kubelet says so of the whole pod."""
    if status.get("phase") != "Failed" or not status.get("reason"):
        return None
    return Impediment(_with_reason(str(status["reason"]), status.get("message")))


def _unscheduled(status: Object) -> Impediment | None:
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") != "False":
        return None
    why = scheduled.get("message") or scheduled.get("reason") or "no node takes it"
    return Impediment(f"it is not scheduled: {_short(why)}")


def _stuck(pod: Object, status: Object) -> Iterator[Impediment]:
    """Containers that ended badly, and those that wait for something that does not come by itself."""
    for container in _containers(status):
        name, state = str(container.get("name")), container.get("state") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
        if ended.get("exitCode", 0) != 0 and not container.get("ready"):
            yield Impediment(_end(pod, name, ended), name)
        elif waiting.get("reason", "") not in _NORMAL:
            yield Impediment(_with_reason(str(waiting["reason"]), waiting.get("message")), name)


def _end(pod: Object, name: str, ended: Object) -> str:
    """Its last words. The log of a container that was killed for its memory says nothing of that."""
    message = one_line(str(ended.get("message") or ""), MAX_REPORT_BYTES)
    if ended.get("reason") != "OOMKilled":
        return message or str(ended.get("reason") or f"exit code {ended['exitCode']}")
    limit = _spec_of(pod, name).get("resources", {}).get("limits", {}).get("memory")
    return f"OOMKilled: it took more memory than {f'its limit of {limit}' if limit else 'its node had'}"


# ---- What takes longer than it should


def _starting(pod: Object, status: Object) -> Impediment | None:
    for container in status.get("initContainerStatuses") or ():
        running = (container.get("state") or {}).get("running")
        name = str(container.get("name"))
        if running is not None and _spec_of(pod, name).get("restartPolicy") != "Always":
            since = parse_time(running.get("startedAt")) or _started(pod, status)
            return _slow("this init container is at work", since, name)
    waiting = [c for c in _containers(status) if (c.get("state") or {}).get("waiting") is not None]
    if status.get("phase", "Pending") == "Pending" and (waiting or not _containers(status)):
        return _slow(_setting_up(pod, status), _started(pod, status))
    return None


def _setting_up(pod: Object, status: Object) -> str:
    node = pod.get("spec", {}).get("nodeName")
    if not _containers(status):
        return f"the kubelet of node {node} has not reported on it" if node else "it is not scheduled"
    if _condition(status, "PodReadyToStartContainers").get("status") == "True":
        return "its images are being pulled"
    mounted = ", ".join(_mounted(pod))
    return f"its volumes{f' ({mounted})' if mounted else ''} and network are being set up"


_SOURCES: Final = (
    ("configMap", "name", "ConfigMap"),
    ("secret", "secretName", "Secret"),
    ("persistentVolumeClaim", "claimName", "PersistentVolumeClaim"),
    ("csi", "driver", "CSI driver"),
)


def _mounted(pod: Object) -> list[str]:
    """What must exist before the pod starts."""
    volumes = pod.get("spec", {}).get("volumes") or ()
    found = [
        f"{kind} {volume[source][name]}"
        for volume in volumes
        for source, name, kind in _SOURCES
        if isinstance(volume.get(source), Mapping)
        and volume[source].get(name)
        and not volume[source].get("optional", False)
    ]
    return found[:5]


# ---- Looking into the pod


def _containers(status: Object) -> Sequence[Object]:
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _spec_of(pod: Object, name: str) -> Object:
    spec = pod.get("spec", {})
    known = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return next((container for container in known if container.get("name") == name), {})


def _condition(status: Object, kind: str) -> Object:
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def _started(pod: Object, status: Object) -> datetime | None:
    """When a node took the pod, or else when it was made."""
    scheduled = _condition(status, "PodScheduled").get("lastTransitionTime")
    return (
        parse_time(scheduled)
        or parse_time(status.get("startTime"))
        or parse_time(pod["metadata"].get("creationTimestamp"))
    )


def _with_reason(reason: str, message: Any) -> str:
    return f"{reason}: {_short(message)}" if message else reason


def _short(message: Any) -> str:
    return one_line(str(message), _LONGEST)

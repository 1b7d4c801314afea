"""One of the two slots as it is: its Deployment and its pods, and what keeps them from being ready."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from viridian.api.names import (
    FETCH_CONTAINER,
    MANAGEMENT_PORT,
    REVERTED_ANNOTATION,
    REVISION_LABEL,
    SERVER_CONTAINER,
    Slot,
)
from viridian.api.rejections import ModelRejection, parse_termination_message
from viridian.api.samples import MANAGEMENT_PORT as DEFAULT_MANAGEMENT_PORT
from viridian.api.samples import Identity, PodTarget
from viridian.api.texts import one_line
from viridian.core import pods_waiting
from viridian.core.conditions import conditions_in, is_true, reason_of
from viridian.core.pods_waiting import Impediment
from viridian.core.times import parse_time
from viridian.rollout.traffic.record import Reverted, parse_reverted

Object = Mapping[str, Any]


_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of a slot."""

    uid: str
    name: str
    revision: str
    ip: str
    ready: bool
    management_port: int
    restarts: int
    # Its containers are at work. The address of a pod that has failed may be another one's by now.
    running: bool = True
    # It is being deleted.
    leaving: bool = False
    # When the server's container was started: another start is another process.
    process: str = ""
    # It has ended for good: evicted, for example. Another one takes its place.
    failed: bool = False
    # What keeps it from its work.
    impediment: Impediment | None = None
    # Why the model is not served, where the impediment is about that.
    refusal: ModelRejection | None = None
    # The termination message of the server's container before its last restart.
    last_words: str = ""
    # Whether it is new and has not got its model yet.
    fetching: bool = False

    @property
    def waits(self) -> bool:
        """Whether it only lacks what may still come, such as the Secret of a key."""
        return self.refusal is not None and not self.refusal.lasting

    @property
    def reachable(self) -> bool:
        return bool(self.ip) and self.running and not self.leaving


@dataclass(frozen=True, slots=True)
class SlotState:
    """A slot's Deployment and pods as they are."""

    deployment: Object
    pods: tuple[Pod, ...] = ()
    # It is no slot of ours, but a Deployment that served before: nothing is written to it.
    foreign: bool = False

    @property
    def uid(self) -> str:
        return str(self.deployment["metadata"]["uid"])

    @property
    def revision(self) -> str:
        return str((self.deployment["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))

    @property
    def reverted(self) -> Reverted | None:
        """Why it was emptied to take the traffic from it, where it was."""
        return parse_reverted((self.deployment["metadata"].get("annotations") or {}).get(REVERTED_ANNOTATION, ""))

    @property
    def replicas(self) -> int:
        return int(self.deployment.get("spec", {}).get("replicas", 0))

    @property
    def settled(self) -> bool:
        """Every pod is of the Deployment's newest template and available, and none is left over."""
        status, wanted = self.deployment.get("status") or {}, self.replicas
        counts = [int(status.get(name, 0)) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        return self._observed and all(count == wanted for count in counts)

    @property
    def ready_replicas(self) -> int:
        return int((self.deployment.get("status") or {}).get("readyReplicas", 0))

    @property
    def serves(self) -> bool:
        """Some pod of the Deployment's own revision is ready, and none of the revision that was there before it."""
        ready = {pod.revision for pod in self.pods if pod.ready}
        return self._observed and ready == {self.revision}

    @property
    def fetching(self) -> bool:
        """Whether a pod of its own revision is being made."""
        return any(pod.fetching and pod.revision == self.revision for pod in self.pods)

    @property
    def deadline_exceeded(self) -> bool:
        """The Deployment controller has given up on the present template, not on the one before it."""
        return self._observed and reason_of(self._conditions, "Progressing") == "ProgressDeadlineExceeded"

    @property
    def unavailable_since(self) -> datetime | None:
        available = next((c for c in self._conditions if c.get("type") == "Available"), {})
        return parse_time(available.get("lastTransitionTime")) if available.get("status") == "False" else None

    def failure_message(self, now: datetime) -> str:
        """What keeps it from being ready, in the words of its pods or of the Deployment controller."""
        return next(filter(None, (impediment.sentence(now) for impediment in self._impediments())), "")

    def next_change(self, now: datetime) -> datetime | None:
        """When the failure message changes although nothing happens: something has taken too long by then."""
        times = [at for impediment in self._impediments() if (at := impediment.changes_at(now)) is not None]
        return min(times, default=None)

    @property
    def refused(self) -> tuple[str, str] | None:
        """Reason and sentence of a pod of its own revision that will never serve this model."""
        messages = (
            (str(pod.refusal), f"{pod.impediment.container}: {pod.impediment.what}")
            for pod in self._own
            if pod.refusal is not None and pod.refusal.lasting and pod.impediment is not None
        )
        return next(messages, None)

    @property
    def _own(self) -> list[Pod]:
        """The pods of its own revision: what another one lacks says nothing about this one."""
        return [pod for pod in self.pods if pod.revision == self.revision and not pod.leaving]

    def _impediments(self) -> list[Impediment]:
        """The most telling first: what is wrong for sure, then what takes long, then pods that were replaced."""
        found = [
            (pod, pod.impediment.of(pod.name)) for pod in self._own if pod.impediment is not None and not pod.ready
        ]
        failures = [c for c in self._conditions if c.get("type") == "ReplicaFailure"]
        refused = [Impediment(one_line(str(c.get("message", "")), _LONGEST)) for c in failures]
        return [
            *(impediment for pod, impediment in found if impediment.since is None and not pod.failed),
            *refused,
            *(impediment for _, impediment in found if impediment.since is not None),
            *(impediment for pod, impediment in found if pod.failed),
            *self._uncreated(),
        ]

    def _uncreated(self) -> Iterator[Impediment]:
        """Pods that are not created for an unknown reason: it stands in Events alone, which are not read."""
        there = len([pod for pod in self._own if not pod.failed])
        since = self.unavailable_since or parse_time(self.deployment["metadata"].get("creationTimestamp"))
        if there < self.replicas and since is not None:
            name = self.deployment["metadata"]["name"]
            yield Impediment(
                f"{self.replicas - there} of {self.replicas} pods of the Deployment {name} have not been created; "
                "its events show whether a quota, an admission policy or the controller manager is the reason",
                since=since,
            )

    @property
    def _observed(self) -> bool:
        observed = (self.deployment.get("status") or {}).get("observedGeneration", 0)
        return int(observed) >= int(self.deployment["metadata"].get("generation", 0))

    @property
    def _conditions(self) -> Sequence[Mapping[str, Any]]:
        return conditions_in((self.deployment.get("status") or {}).get("conditions"))


def parse_pod(pod: Object) -> Pod:
    """What a rollout wants to know of a Pod object."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    terminating = metadata.get("deletionTimestamp") is not None
    impediment, refusal = _with_rejection(pods_waiting.impediment(pod) or pods_waiting.unready(pod))
    ready = is_true(conditions_in(status.get("conditions")), "Ready")
    return Pod(
        uid=metadata["uid"],
        name=metadata["name"],
        revision=(metadata.get("labels") or {}).get(REVISION_LABEL, ""),
        ip=status.get("podIP", ""),
        ready=ready and not terminating,
        running=status.get("phase") == "Running",
        leaving=terminating,
        process=_process(status),
        management_port=_management_port(pod),
        restarts=sum(int(c.get("restartCount", 0)) for c in containers if c.get("name") == SERVER_CONTAINER),
        failed=status.get("phase") == "Failed",
        impediment=impediment,
        refusal=refusal,
        last_words=pods_waiting.last_words(pod, SERVER_CONTAINER),
        fetching=status.get("phase", "Pending") == "Pending" and not terminating and not any(map(_fetched, containers)),
    )


def _process(status: Object) -> str:
    servers = [c for c in status.get("containerStatuses") or () if c.get("name") == SERVER_CONTAINER]
    running = [(server.get("state") or {}).get("running") or {} for server in servers]
    return next((str(state.get("startedAt") or "") for state in running), "")


def _fetched(container: Mapping[str, Any]) -> bool:
    ended = (container.get("state") or {}).get("terminated") or {"exitCode": -1}
    return container.get("name") == FETCH_CONTAINER and ended.get("exitCode", 0) == 0


def _management_port(pod: Object) -> int:
    ports = [port for container in pod.get("spec", {}).get("containers", ()) for port in container.get("ports") or ()]
    return next(
        (int(port["containerPort"]) for port in ports if port.get("name") == MANAGEMENT_PORT), DEFAULT_MANAGEMENT_PORT
    )


def _with_rejection(impediment: Impediment | None) -> tuple[Impediment | None, ModelRejection | None]:
    """The refusal in the words of a container that has to do with the model, and the sentence without it."""
    if impediment is None or impediment.container not in (FETCH_CONTAINER, SERVER_CONTAINER):
        return impediment, None
    refusal, sentence = parse_termination_message(impediment.what)
    return replace(impediment, what=sentence), refusal


def pod_target(namespace: str, deployment: str, slot: Slot, pod: Pod) -> PodTarget:
    """Where a pod of that slot is reached, and who must answer there."""
    identity = Identity(namespace=namespace, deployment=deployment, slot=str(slot), revision=pod.revision, pod=pod.name)
    return PodTarget(uid=pod.uid, ip=pod.ip, port=pod.management_port, identity=identity, process=pod.process)


def parse_slot(deployment: Object, pods: Sequence[Object]) -> SlotState:
    """A slot from its Deployment and the Pod objects that carry its labels."""
    return SlotState(deployment, tuple(sorted(map(parse_pod, pods), key=lambda pod: pod.name)))


def parse_predecessor(deployment: Object, pods: Sequence[Object], revision: str) -> SlotState:
    """A Deployment that served before, as the slot of that revision. Its pods have no port of ours to talk to."""
    labels = {**(deployment["metadata"].get("labels") or {}), REVISION_LABEL: revision}
    shown = {**deployment, "metadata": {**deployment["metadata"], "labels": labels}}
    found = [replace(parse_pod(pod), revision=revision, ip="", refusal=None) for pod in pods]
    return SlotState(shown, tuple(sorted(found, key=lambda pod: pod.name)), foreign=True)

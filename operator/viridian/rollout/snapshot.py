"""Everything that a pass over a ModelDeployment has read, frozen. What is not in here plays no part in a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from viridian.api import durations
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import FETCH_CONTAINER, MANAGEMENT_PORT, REVISION_LABEL, SERVER_CONTAINER, Slot
from viridian.api.refusals import Refusal, heard
from viridian.api.samples import MANAGEMENT_PORT as DEFAULT_MANAGEMENT_PORT
from viridian.api.samples import Identity, PodSample, PodTarget, ScrapeFailure
from viridian.api.texts import one_line
from viridian.core import pods_waiting
from viridian.core.conditions import moment
from viridian.core.model_owners import OwnerRule, Owners, OwnersUnknown
from viridian.core.obstacles import Obstacles
from viridian.core.pods_waiting import Impediment
from viridian.core.signature_keys import SignatureKeys, required_keys
from viridian.core.templates import NO_LIMITS, TemplateRules
from viridian.monitoring.status import MonitoringResult
from viridian.rollout import records, traffic
from viridian.rollout.addresses import Addresses
from viridian.rollout.records import RevisionRecord, ServedModel
from viridian.rollout.traffic import Reverted, Traffic

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NetworkAccess:
    """Who may reach the management port of model servers."""

    # The namespace that the operator runs in.
    operator_namespace: str
    # NetworkPolicyPeers of whatever collects metrics, Prometheus for instance.
    metrics_from: tuple[Object, ...] = ()


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """What the operator's own configuration adds."""

    server_image: str
    mlflow_uri: str | None = None
    # Where servers and the operator itself find the collector.
    collector_url: str | None = None
    # By which servers know the operator's orders; None where it has no key.
    orders_key: str | None = None
    # Names of Secrets, in the namespace of each pod, with which its images are pulled.
    image_pull_secrets: tuple[str, ...] = ()
    # Who may reach the management port of model servers; None: no NetworkPolicies are made.
    access: NetworkAccess | None = None
    # Which namespaces may have which registered models written to.
    registry_models: tuple[OwnerRule, ...] = ()
    # By whom versions must be signed in which namespaces.
    signature_keys: tuple[SignatureKeys, ...] = ()
    # How often a followed alias is looked up.
    registry_poll: timedelta = timedelta(seconds=15)
    # What pod templates may say.
    templates: TemplateRules = NO_LIMITS

    def requires_signature(self, namespace: str) -> bool:
        """Whatever a spec says."""
        return bool(required_keys(self.signature_keys, namespace))

    @property
    def addresses(self) -> Addresses:
        """Those that new pods are told."""
        return Addresses(self.mlflow_uri or "", self.collector_url or "", self.orders_key or "")


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why the wanted model has no immutable version: a reason of `viridian.api.reasons` and a sentence.

    `lasting`: the registry did answer, and only a change by someone will make it answer differently.
    """

    reason: str
    message: str
    lasting: bool


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
    refusal: Refusal | None = None
    # What the server's container said before it was last started anew.
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

    @property
    def uid(self) -> str:
        return str(self.deployment["metadata"]["uid"])

    @property
    def revision(self) -> str:
        return str((self.deployment["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))

    @property
    def reverted(self) -> Reverted | None:
        """Why it was emptied to take the traffic from it, where it was."""
        return traffic.parse_reverted(self.deployment)

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
        return self._observed and any(
            c.get("type") == "Progressing" and c.get("reason") == "ProgressDeadlineExceeded" for c in self._conditions
        )

    @property
    def unavailable_since(self) -> datetime | None:
        return next(
            (
                moment(c.get("lastTransitionTime"))
                for c in self._conditions
                if c.get("type") == "Available" and c.get("status") == "False"
            ),
            None,
        )

    def complaint(self, now: datetime) -> str:
        """What keeps it from being ready, in the words of its pods or of the Deployment controller."""
        return next(filter(None, (impediment.sentence(now) for impediment in self._impediments())), "")

    def next_word(self, now: datetime) -> datetime | None:
        """When the complaint becomes another one although nothing happens: something has taken too long by then."""
        times = [at for impediment in self._impediments() if (at := impediment.changes_at(now)) is not None]
        return min(times, default=None)

    @property
    def refused(self) -> tuple[str, str] | None:
        """Reason and sentence of a pod of its own revision that will never serve this model."""
        said = [
            (str(pod.refusal), f"{pod.impediment.container}: {pod.impediment.what}")
            for pod in self._own
            if pod.refusal is not None and pod.refusal.lasting and pod.impediment is not None
        ]
        return next(iter(said), None)

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
        """Pods that nobody makes, and nobody says why: the reason is told in Events alone, which are not read."""
        there = len([pod for pod in self._own if not pod.failed])
        since = self.unavailable_since or moment(self.deployment["metadata"].get("creationTimestamp"))
        if there < self.replicas and since is not None:
            name = self.deployment["metadata"]["name"]
            yield Impediment(
                f"{self.replicas - there} of {self.replicas} pods of the Deployment {name} have not been created; "
                "a quota, an admission policy or a controller manager that is away may be why, its events tell",
                since=since,
            )

    @property
    def _observed(self) -> bool:
        observed = (self.deployment.get("status") or {}).get("observedGeneration", 0)
        return int(observed) >= int(self.deployment["metadata"].get("generation", 0))

    @property
    def _conditions(self) -> Sequence[Mapping[str, Any]]:
        return (self.deployment.get("status") or {}).get("conditions") or ()


_LONGEST = 500
Readings = Mapping[str, Sequence[PodSample | ScrapeFailure]]


@dataclass(frozen=True, slots=True)
class RolloutInput:
    """A ModelDeployment and its world."""

    name: str
    namespace: str
    uid: str
    generation: int
    # None when the stored object does not fit the present schema; `invalid` says why.
    spec: ModelDeploymentSpec | None
    settings: OperatorSettings
    annotations: Mapping[str, str] = field(default_factory=dict)
    status: Object = field(default_factory=dict)
    invalid: str = ""
    slots: Mapping[Slot, SlotState] = field(default_factory=dict)
    live: Object | None = None
    preview: Object | None = None
    budgets: Mapping[str, Object] = field(default_factory=dict)
    network_policy: Object | None = None
    records: Mapping[str, RevisionRecord] = field(default_factory=dict)
    model: ServedModel | Unresolved = Unresolved("Unknown", "not looked up yet", lasting=False)
    # Aliases of the registered model, None where they are unknown at the moment.
    aliases: Mapping[str, str] | None = None
    # To whom each registered model belongs that something may be written to.
    owners: Mapping[str, Owners | OwnersUnknown] = field(default_factory=dict)
    # Why the registry has just not taken what was decided: a reason and a sentence.
    untold: tuple[str, str] | None = None
    # Readings by pod uid, oldest first, as far back as the analysis looks.
    readings: Readings = field(default_factory=dict)
    # Kind and name of objects that are somebody else's: nothing is written to those.
    taken: frozenset[tuple[str, str]] = frozenset()
    # Kind and name of helpers that an earlier object of this name left: they are waited for, nothing else is.
    leaving: frozenset[tuple[str, str]] = frozenset()
    # Name to uid of records without an owner that tell of an earlier object of this name.
    forgotten: Mapping[str, str] = field(default_factory=dict)
    # What keeps which object from being written.
    obstacles: Obstacles = field(default_factory=dict)
    # What the monitors say; None where none are asked for.
    watch: MonitoringResult | None = None

    @property
    def traffic(self) -> Traffic | None:
        return traffic.parse(self.live)


def named_models(snapshot: RolloutInput) -> frozenset[str]:
    """The registered models that something may have to be told about: a spec may have named another one before."""
    return frozenset(record.model.name for record in snapshot.records.values() if record.model.name)


def name_taken(snapshot: RolloutInput, kind: str, name: str) -> str:
    """The sentence about a child that cannot be written, since somebody else's object has its name."""
    return (
        f"the {kind} {name} exists and does not belong to this ModelDeployment; delete it, or give the "
        f"ModelDeployment {snapshot.name} another name"
    )


def parse_pod(pod: Object) -> Pod:
    """What a rollout wants to know of a Pod object."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    terminating = metadata.get("deletionTimestamp") is not None
    impediment, refusal = _heard(pods_waiting.impediment(pod) or pods_waiting.unready(pod))
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())
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


def _heard(impediment: Impediment | None) -> tuple[Impediment | None, Refusal | None]:
    """The refusal in the words of a container that has to do with the model, and the sentence without it."""
    if impediment is None or impediment.container not in (FETCH_CONTAINER, SERVER_CONTAINER):
        return impediment, None
    refusal, sentence = heard(impediment.what)
    return replace(impediment, what=sentence), refusal


def slot_world(deployment: Object, pods: Sequence[Object]) -> SlotState:
    """A slot from its Deployment and the Pod objects that carry its labels."""
    return SlotState(deployment, tuple(sorted(map(parse_pod, pods), key=lambda pod: pod.name)))


def parse_records(manifests: Sequence[Object]) -> dict[str, RevisionRecord]:
    """Revision to its record."""
    parsed = filter(None, map(records.parse, manifests))
    return {record.revision: record for record in parsed}


def judged_slot(snapshot: RolloutInput, now: datetime) -> Slot | None:
    """The slot whose pods are read now: those of a new champion in probation, or of a challenger.

    Also of one that no user can meet yet: what it has counted by then must be known when users can.
    """
    current = snapshot.traffic
    if current is None or snapshot.spec is None:
        return None
    if current.trial is not None:
        return current.champion.other
    watched = snapshot.spec.rollout.analysis.metrics and in_probation(snapshot, current, now)
    return current.champion if watched else None


def about_to_be_met(snapshot: RolloutInput) -> bool:
    """Whether this pass may be the one after which users meet the challenger: its counters are wanted as they are."""
    trial = snapshot.traffic.trial if snapshot.traffic is not None else None
    return trial is not None and trial.weight == 0


def probation_end(snapshot: RolloutInput, current: Traffic) -> datetime | None:
    """Until when the champion is judged; None for one that is not, or where there is nobody to go back to."""
    since = moment(current.since)
    if snapshot.spec is None or since is None or not current.former or current.cause != "Promoted":
        return None
    return since + durations.parse(snapshot.spec.rollout.probation)


def in_probation(snapshot: RolloutInput, current: Traffic, now: datetime) -> bool:
    """Whether the champion is new enough to be judged on, with someone there to go back to."""
    end = probation_end(snapshot, current)
    return end is not None and now < end


def targets(snapshot: RolloutInput, slot: Slot) -> tuple[PodTarget, ...]:
    """The pods of a slot that can be talked to."""
    world = snapshot.slots.get(slot)
    return tuple(_target(snapshot, slot, pod) for pod in world.pods if pod.reachable) if world else ()


def judged_targets(snapshot: RolloutInput, slot: Slot) -> tuple[PodTarget, ...]:
    """Those of them that run what the slot holds now: pods of the revision before it may still be leaving."""
    world = snapshot.slots.get(slot)
    pods = [pod for pod in world.pods if pod.reachable and pod.revision == world.revision] if world else []
    return tuple(_target(snapshot, slot, pod) for pod in pods)


def _target(snapshot: RolloutInput, slot: Slot, pod: Pod) -> PodTarget:
    identity = Identity(
        namespace=snapshot.namespace, deployment=snapshot.name, slot=str(slot), revision=pod.revision, pod=pod.name
    )
    return PodTarget(uid=pod.uid, ip=pod.ip, port=pod.management_port, identity=identity, process=pod.process)


def to_scrape(snapshot: RolloutInput, now: datetime) -> tuple[PodTarget, ...]:
    """The pods whose counters this pass needs; the observer reads them and fills `readings` before deciding."""
    slot = judged_slot(snapshot, now)
    return judged_targets(snapshot, slot) if slot is not None else ()

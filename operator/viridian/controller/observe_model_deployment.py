"""Observe a ModelDeployment: read its world through the ports into one frozen snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from viridian.api import durations
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.names import (
    MODEL_DEPLOYMENT_LABEL,
    SLOT_LABEL,
    Slot,
    preview_service,
    slot_deployment,
)
from viridian.controller.keys import Key
from viridian.controller.kinds import Observed
from viridian.controller.monitors import Monitors
from viridian.controller.ownership import check_not_left_behind, owned
from viridian.controller.resolve import Resolver
from viridian.controller.samples import Reading, Samples
from viridian.plan.plan import Plan
from viridian.ports.cluster import Cluster, Object, Reference
from viridian.ports.registry import RegistryError, RegistryMissing
from viridian.rollout.decide import decide, refused, unregistered
from viridian.rollout.snapshot import (
    Settings,
    SlotWorld,
    Snapshot,
    parse_records,
    slot_world,
    to_scrape,
)


@dataclass(frozen=True, slots=True)
class ModelDeployments:
    """How the loop treats a ModelDeployment."""

    cluster: Cluster
    resolver: Resolver
    samples: Samples
    settings: Settings
    clock: Callable[[], datetime]
    monitors: Monitors

    async def observe(self, key: Key, manifest: Object) -> Observed[Snapshot]:
        """The object as it was just read, and everything that belongs to it."""
        alone = _alone(key, manifest, self.settings)
        children, resolved = await asyncio.gather(
            _children(self.cluster, key, alone.uid), self.resolver.resolve(alone.spec)
        )
        snapshot = replace(
            alone,
            slots=children.slots(key),
            live=children.named("Service", key.name),
            preview=children.named("Service", preview_service(key.name)),
            budgets={budget["metadata"]["name"]: budget for budget in children.of("PodDisruptionBudget")},
            records=parse_records(children.of("ControllerRevision")),
            model=resolved.model,
            aliases=resolved.aliases,
            taken=children.taken,
        )
        readings, watch = await asyncio.gather(
            self._readings(key, snapshot), self.monitors.watch(key, snapshot, self.clock())
        )
        return Observed(replace(snapshot, readings=readings, watch=watch), self.clock())

    def decide(self, observed: Observed[Snapshot]) -> Plan:
        return decide(observed.snapshot, observed.now)

    def refused(self, observed: Observed[Snapshot], message: str) -> Plan:
        return refused(observed.snapshot, observed.now, message)

    def unregistered(self, observed: Observed[Snapshot], error: RegistryError) -> Plan:
        if isinstance(error, RegistryMissing):  # it is never told again
            return self.decide(observed)
        return unregistered(observed.snapshot, observed.now, error.reason, error.message)

    def forget(self, key: Key) -> None:
        self.samples.forget(key)
        self.monitors.forget(key)

    async def _readings(self, key: Key, snapshot: Snapshot) -> Mapping[str, Sequence[Reading]]:
        if snapshot.spec is None:
            return {}
        now = self.clock()
        analysis = snapshot.spec.rollout.analysis
        interval = durations.parse(analysis.interval)
        looks = max((metric.consecutive for metric in analysis.metrics), default=1)
        span = durations.parse(analysis.window) + looks * interval + timedelta(seconds=1)
        return await self.samples.read(key, to_scrape(snapshot, now), now=now, interval=interval, span=span)


@dataclass(frozen=True, slots=True)
class _Children:
    """The objects that carry the ModelDeployment's label and are its own, and its pods."""

    objects: tuple[Object, ...]
    pods: tuple[Object, ...]
    taken: frozenset[tuple[str, str]] = frozenset()
    """Kind and name of what carries the label, or has the name of a child, and is somebody else's."""

    def of(self, kind: str) -> list[Object]:
        return [child for child in self.objects if child["kind"] == kind]

    def named(self, kind: str, name: str) -> Object | None:
        return next((child for child in self.of(kind) if child["metadata"]["name"] == name), None)

    def slots(self, key: Key) -> Mapping[Slot, SlotWorld]:
        deployments = {slot: self.named("Deployment", slot_deployment(key.name, slot)) for slot in Slot}
        return {
            slot: slot_world(deployment, [pod for pod in self.pods if _slot_label(pod) == slot])
            for slot, deployment in deployments.items()
            if deployment is not None
        }


_KINDS = (
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("policy/v1", "PodDisruptionBudget"),
    ("apps/v1", "ControllerRevision"),
    ("v1", "Pod"),
)


async def _children(cluster: Cluster, key: Key, uid: str) -> _Children:
    labels = {MODEL_DEPLOYMENT_LABEL: key.name}
    *lists, pods = await asyncio.gather(
        *(cluster.list(api_version, kind, key.namespace, labels) for api_version, kind in _KINDS)
    )
    listed = [child for children in lists for child in children]
    listed += await _unlisted(cluster, key, listed)
    mine = tuple(child for child in listed if owned(child, uid))
    strangers = [child for child in listed if not owned(child, uid)]
    for stranger in strangers:
        if _may_be_needed(stranger, key):
            check_not_left_behind(stranger, key)
    taken = frozenset((stranger["kind"], stranger["metadata"]["name"]) for stranger in strangers)
    return _Children(mine, tuple(pods), taken)


def _names(key: Key) -> list[tuple[str, str, str]]:
    """Version, kind and name of every child but the records, whose names depend on what is wanted."""
    slots = [slot_deployment(key.name, slot) for slot in Slot]
    return [
        *(("apps/v1", "Deployment", name) for name in slots),
        *(("v1", "Service", name) for name in (key.name, preview_service(key.name))),
        *(("policy/v1", "PodDisruptionBudget", name) for name in slots),
    ]


async def _unlisted(cluster: Cluster, key: Key, listed: Sequence[Object]) -> list[Object]:
    """Children that the lists lack, by name: they may have lost their labels, or be somebody else's."""
    there = {(child["kind"], child["metadata"]["name"]) for child in listed}
    missing = [
        Reference(api_version, kind, key.namespace, name)
        for api_version, kind, name in _names(key)
        if (kind, name) not in there
    ]
    found = await asyncio.gather(*(cluster.get(reference) for reference in missing))
    return [child for child in found if child is not None]


def _may_be_needed(stranger: Object, key: Key) -> bool:
    kind, name = stranger["kind"], stranger["metadata"]["name"]
    return kind == "ControllerRevision" or (kind, name) in {(kind, name) for _, kind, name in _names(key)}


def _alone(key: Key, manifest: Object, settings: Settings) -> Snapshot:
    """What the object says about itself."""
    metadata = manifest["metadata"]
    spec, invalid = _spec(manifest)
    return Snapshot(
        name=key.name,
        namespace=key.namespace,
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        spec=spec,
        settings=settings,
        annotations=metadata.get("annotations") or {},
        status=manifest.get("status") or {},
        invalid=invalid,
    )


def _spec(manifest: Object) -> tuple[ModelDeploymentSpec | None, str]:
    try:
        return msgspec.convert(manifest.get("spec") or {}, ModelDeploymentSpec), ""
    except msgspec.ValidationError as error:
        return None, f"the spec cannot be read: {error}"


def _slot_label(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(SLOT_LABEL, ""))

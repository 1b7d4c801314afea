"""The objects that belong to a ModelDeployment: found by their names and by its label."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from viridian.api.child_kinds import ChildKind, child_kind, child_kinds
from viridian.api.names import (
    ADOPT_LABEL,
    AUTOSCALED_ANNOTATION,
    MODEL_DEPLOYMENT_LABEL,
    ROUTE_ANNOTATION,
    SLOT_LABEL,
    Slot,
    slot_deployment,
)
from viridian.controller.keys import Key
from viridian.controller.ownership import check_not_left_behind, owned
from viridian.core.lookup import annotations_of
from viridian.core.ownership import believed, is_left_behind
from viridian.core.times import parse_time
from viridian.ports.cluster import ClusterReader, Object, ObjectRef
from viridian.rollout.input import RolloutInput
from viridian.rollout.slot_state import SlotState, parse_slot
from viridian.rollout.traffic.gateway import HTTP_ROUTE
from viridian.rollout.traffic.provider import LiveObjects

_RECORD: Final = "ControllerRevision"
_AUTOSCALER: Final = child_kind("HorizontalPodAutoscaler")


@dataclass(frozen=True, slots=True)
class ModelChildren:
    """The objects that carry the ModelDeployment's label and are its own, and its pods."""

    objects: tuple[Object, ...]
    pods: tuple[Object, ...]
    taken: frozenset[tuple[str, str]] = frozenset()
    """Kind and name of what carries the label, or has the name of a child, and is somebody else's."""
    leaving: frozenset[tuple[str, str]] = frozenset()
    """Kind and name of what an earlier object of the same name left, and the garbage collector will take."""
    forgotten: Mapping[str, str] = field(default_factory=dict)
    """Name to uid of orphaned records that are not believed."""

    def of(self, kind: str) -> list[Object]:
        return [child for child in self.objects if child["kind"] == kind]

    def by_name(self, kind: str) -> Mapping[str, Object]:
        return {child["metadata"]["name"]: child for child in self.of(kind)}

    def named(self, kind: str, name: str) -> Object | None:
        return next((child for child in self.of(kind) if child["metadata"]["name"] == name), None)

    def gateway_objects(self, name: str) -> LiveObjects:
        """The route and the Services of the slots."""
        names = [(HTTP_ROUTE, name), *(("Service", slot_deployment(name, slot)) for slot in Slot)]
        found = {target: self.named(*target) for target in names}
        return {target: one for target, one in found.items() if one is not None}

    def slots(self, key: Key) -> Mapping[Slot, SlotState]:
        deployments = {slot: self.named("Deployment", slot_deployment(key.name, slot)) for slot in Slot}
        return {
            slot: parse_slot(deployment, [pod for pod in self.pods if _slot_label(pod) == slot])
            for slot, deployment in deployments.items()
            if deployment is not None
        }


async def children_of_model(cluster: ClusterReader, key: Key, metadata: Object, alone: RolloutInput) -> ModelChildren:
    """What is there of them. `alone`: what the object says about itself."""
    uid, enabled = metadata["uid"], alone.settings.gateway_api
    children, records, pods = await asyncio.gather(
        _named_children(cluster, key, [row for row in child_kinds(gateway_api=enabled) if row is not _AUTOSCALER]),
        _listed(cluster, key, _RECORD),
        _listed(cluster, key, "Pod"),
    )
    if enabled and (alone.asked_gateway is not None or any(_is_routed(child) for child in children)):
        children += await _slot_services(cluster, key)
    if _is_autoscaled(alone, children):
        children += await _named_children(cluster, key, [_AUTOSCALER])
    listed = [*children, *records]
    mine = [child for child in listed if owned(child, key, uid)]
    records = believed(
        [child for child in mine if _is_record(child)],
        uid,
        parse_time(metadata.get("creationTimestamp")),
        [child for child in mine if _serves(child, key)],
    )
    adoptable = [child for child in listed if _is_to_be_adopted(child, key, alone)]
    strangers = [child for child in listed if not owned(child, key, uid) and child not in adoptable]
    for stranger in strangers:
        if _serves(stranger, key):
            check_not_left_behind(stranger, key, uid)
    left = [child for child in strangers if is_left_behind(child, uid, key.kind, key.name)]
    return ModelChildren(
        objects=(*(child for child in mine if not _is_record(child)), *adoptable, *records),
        pods=tuple(pods),
        taken=_targets(child for child in strangers if child not in left),
        leaving=_targets(left),
        forgotten={
            child["metadata"]["name"]: child["metadata"]["uid"]
            for child in mine
            if _is_record(child) and child not in records
        },
    )


def _is_routed(child: Object) -> bool:
    return child["kind"] == HTTP_ROUTE or ROUTE_ANNOTATION in annotations_of(child)


def _is_to_be_adopted(child: Object, key: Key, alone: RolloutInput) -> bool:
    """The Service of a predecessor that the spec names, where it belongs to nobody and its owner agrees."""
    named = alone.spec is not None and alone.spec.predecessor is not None
    metadata = child["metadata"]
    is_it = child["kind"] == "Service" and metadata["name"] == key.name
    agreed = (metadata.get("labels") or {}).get(ADOPT_LABEL) == key.name
    return named and is_it and agreed and not metadata.get("ownerReferences")


def _targets(children: Iterable[Object]) -> frozenset[tuple[str, str]]:
    return frozenset((child["kind"], child["metadata"]["name"]) for child in children)


def _is_autoscaled(alone: RolloutInput, children: Iterable[Object]) -> bool:
    """Whether there are autoscalers, or ought to be: others do not pay for reading them."""
    asked = alone.spec is not None and alone.spec.server.autoscaling is not None
    return asked or any(AUTOSCALED_ANNOTATION in annotations_of(child) for child in children)


def _is_record(child: Object) -> bool:
    return bool(child["kind"] == _RECORD)


async def _slot_services(cluster: ClusterReader, key: Key) -> list[Object]:
    """Those that a route sends requests to; without a route there are none."""
    names = (slot_deployment(key.name, slot) for slot in Slot)
    found = await asyncio.gather(*(cluster.get(ObjectRef("v1", "Service", key.namespace, name)) for name in names))
    return [service for service in found if service is not None]


async def _named_children(cluster: ClusterReader, key: Key, rows: Sequence[ChildKind]) -> list[Object]:
    """The objects that have the names of children, whatever their labels and owners."""
    found = await asyncio.gather(
        *(
            cluster.get(ObjectRef(row.resource.api_version, row.resource.kind, key.namespace, name))
            for row in rows
            for name in row.names_for(key.kind, key.name)
        )
    )
    return [child for child in found if child is not None]


async def _listed(cluster: ClusterReader, key: Key, kind: str) -> Sequence[Object]:
    """The objects of a kind that carry the label of the ModelDeployment."""
    return await cluster.list(
        child_kind(kind).resource.api_version, kind, key.namespace, {MODEL_DEPLOYMENT_LABEL: key.name}
    )


def _serves(child: Object, key: Key) -> bool:
    """Whether it has the kind and the name of a child that users or the operator reach pods by."""
    row = child_kind(child["kind"])
    return row.serves and child["metadata"]["name"] in row.names_for(key.kind, key.name)


def _slot_label(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(SLOT_LABEL, ""))

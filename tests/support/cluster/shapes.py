"""How the API server merges the fields of a kind: which lists are maps by a key, and what is replaced as a whole.

What is not named here is merged as the server does with fields that it knows nothing about: maps key by key, lists as a
whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shape:
    """One field of a schema, as far as merging is concerned."""

    fields: Mapping[str, Shape] = field(default_factory=dict)
    values: Shape | None = None
    """Of a map with free keys; each of its entries can be owned by itself."""
    items: Shape | None = None
    keys: tuple[str, ...] = ()
    """Of a list that is a map: the fields that tell its items apart."""
    key_defaults: Mapping[str, Any] = field(default_factory=dict)
    is_set: bool = False
    atomic: bool = False

    def child(self, name: str) -> Shape:
        return self.fields.get(name) or self.values or UNKNOWN

    @property
    def of_items(self) -> Shape:
        return self.items or UNKNOWN

    def has_named_items(self) -> bool:
        return bool(self.keys) or self.is_set


UNKNOWN = Shape()
ATOMIC = Shape(atomic=True)


def free_map() -> Shape:
    """A map whose keys are data: labels, annotations, limits."""
    return Shape(values=UNKNOWN)


def list_map(*keys: str, items: Shape = UNKNOWN, **key_defaults: Any) -> Shape:
    return Shape(items=items, keys=keys, key_defaults=key_defaults)


def fields(**by_name: Shape) -> Shape:
    return Shape(fields=by_name)


METADATA = fields(
    labels=free_map(),
    annotations=free_map(),
    ownerReferences=list_map("uid"),
    finalizers=Shape(is_set=True),
)

_RESOURCES = fields(limits=free_map(), requests=free_map(), claims=list_map("name"))
_VALUE_FROM = fields(fieldRef=ATOMIC, resourceFieldRef=ATOMIC, secretKeyRef=ATOMIC, configMapKeyRef=ATOMIC)
_CONTAINER = fields(
    env=list_map("name", items=fields(valueFrom=_VALUE_FROM)),
    ports=list_map("containerPort", "protocol", protocol="TCP"),
    volumeMounts=list_map("mountPath"),
    resources=_RESOURCES,
)
_CONTAINERS = list_map("name", items=_CONTAINER)
_POD_SPEC = fields(
    containers=_CONTAINERS,
    initContainers=_CONTAINERS,
    volumes=list_map("name"),
    imagePullSecrets=list_map("name"),
    hostAliases=list_map("ip"),
    topologySpreadConstraints=list_map("topologyKey", "whenUnsatisfiable", items=fields(labelSelector=ATOMIC)),
    nodeSelector=ATOMIC,
)
_POD_TEMPLATE = fields(metadata=METADATA, spec=_POD_SPEC)
_CONDITIONS = list_map("type")
_WORKLOAD = fields(
    metadata=METADATA,
    spec=fields(selector=ATOMIC, template=_POD_TEMPLATE),
    status=fields(conditions=_CONDITIONS),
)
CUSTOM = fields(metadata=METADATA, status=fields(conditions=_CONDITIONS))

SHAPES: Mapping[str, Shape] = {
    "Deployment": _WORKLOAD,
    "ReplicaSet": _WORKLOAD,
    # The conditions of a Job are an atomic list; only its controller writes them.
    "Job": fields(metadata=METADATA, spec=fields(selector=ATOMIC, template=_POD_TEMPLATE)),
    "Pod": fields(metadata=METADATA, spec=_POD_SPEC, status=fields(conditions=_CONDITIONS)),
    "Service": fields(
        metadata=METADATA,
        spec=fields(selector=ATOMIC, ports=list_map("port", "protocol", protocol="TCP")),
        status=fields(conditions=_CONDITIONS),
    ),
    "PodDisruptionBudget": fields(
        metadata=METADATA, spec=fields(selector=ATOMIC), status=fields(conditions=_CONDITIONS)
    ),
    # podSelector is a map that counts as a whole, and so does each of its lists.
    "NetworkPolicy": fields(metadata=METADATA, spec=fields(podSelector=ATOMIC)),
    "ControllerRevision": fields(metadata=METADATA, data=ATOMIC),
    "ConfigMap": fields(metadata=METADATA, data=free_map(), binaryData=free_map()),
}


def shape_of(kind: str) -> Shape:
    return SHAPES.get(kind, CUSTOM)

"""The kinds of objects that the operator makes for its own two kinds, one row each.

From this table follow what is watched, what a pass reads and how, the paths of the API, how an object is compared with
what is intended, and the rights that the operator needs. A new kind of child is one row here, and its rule in
`manifests/overlays/*/rbac.yaml` and `charts/viridian/templates/_rules.tpl`, which a test holds to this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from viridian.api.names import (
    MODEL_DEPLOYMENT,
    RETRAIN_POLICY,
    Slot,
    network_policy,
    preview_service,
    slot_deployment,
)
from viridian.api.resources import ApiResource

Names = Callable[[str], tuple[str, ...]]
"""From the name of the owner to the names of its children."""

_WATCHED: Final = ("list", "watch")
_MADE: Final = ("get", *_WATCHED, "create", "patch", "delete")


@dataclass(frozen=True, slots=True)
class ChildKind:
    """One kind of child."""

    resource: ApiResource
    names: Mapping[str, Names | None]
    """By the kind of the owner. None: other things than the owner's name decide, so a pass lists them by label."""
    verbs: tuple[str, ...] = _MADE
    """What the operator does with them; server-side apply is a patch, and a creation where there is none yet."""
    serves: bool = False
    """Users or the operator reach pods by it: one that lost its owner is adopted with its name."""
    merge_keys: tuple[str, ...] = ()
    """How entries of its lists are distinguished where Kubernetes treats the list as a map, the first that fits."""
    status_is_read: bool = True
    """Whether a pass reads its status. Where none does, and the status changes all the time, it wakes nobody."""
    whole_fields: frozenset[str] = field(default_factory=frozenset)
    """Fields that must be exactly as intended: what somebody adds there changes what the object does."""

    def names_for(self, owner_kind: str, owner: str) -> tuple[str, ...]:
        """The names that follow from the owner's own; none where they do not."""
        names = self.names.get(owner_kind)
        return names(owner) if names is not None else ()


def _of_slots(name: str) -> tuple[str, ...]:
    return tuple(slot_deployment(name, slot) for slot in Slot)


_OF_PODS: Final = ("name", "containerPort", "mountPath", "key", "topologyKey", "ip")
_SELECTS: Final = frozenset({"selector", "matchLabels", "nodeSelector"})

CHILD_KINDS: Final = (
    ChildKind(
        ApiResource("apps/v1", "Deployment", "deployments"),
        {MODEL_DEPLOYMENT: _of_slots},
        serves=True,
        merge_keys=_OF_PODS,
        whole_fields=_SELECTS,
    ),
    ChildKind(
        ApiResource("v1", "Service", "services"),
        {MODEL_DEPLOYMENT: lambda name: (name, preview_service(name))},
        verbs=("get", *_WATCHED, "create", "patch"),
        serves=True,
        merge_keys=("name", "port"),
        whole_fields=_SELECTS,
    ),
    ChildKind(
        ApiResource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
        {MODEL_DEPLOYMENT: _of_slots},
        whole_fields=_SELECTS,
    ),
    ChildKind(
        ApiResource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
        {MODEL_DEPLOYMENT: _of_slots},
        status_is_read=False,
    ),
    ChildKind(
        ApiResource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
        {MODEL_DEPLOYMENT: lambda name: (network_policy(name),)},
        whole_fields=frozenset({"podSelector", "ingress"}),
    ),
    ChildKind(
        ApiResource("apps/v1", "ControllerRevision", "controllerrevisions"),
        {MODEL_DEPLOYMENT: None, RETRAIN_POLICY: None},
        merge_keys=_OF_PODS,
        whole_fields=_SELECTS,
    ),
    ChildKind(
        ApiResource("batch/v1", "Job", "jobs"),
        {RETRAIN_POLICY: None},
        verbs=(*_WATCHED, "create", "patch", "delete"),
        merge_keys=_OF_PODS,
        whole_fields=_SELECTS,
    ),
    ChildKind(
        ApiResource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
        {RETRAIN_POLICY: None},
        verbs=(*_WATCHED, "create", "patch", "delete"),
    ),
    ChildKind(ApiResource("v1", "Pod", "pods"), {MODEL_DEPLOYMENT: None, RETRAIN_POLICY: None}, verbs=_WATCHED),
)

GATEWAY_KINDS: Final = (
    ChildKind(
        ApiResource("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
        {MODEL_DEPLOYMENT: lambda name: (name,)},
        serves=True,
    ),
)
"""Those of the Gateway API, for operators that are installed with it."""


def child_kinds(*, gateway_api: bool) -> tuple[ChildKind, ...]:
    """The rows that an operator uses."""
    return (*CHILD_KINDS, *GATEWAY_KINDS) if gateway_api else CHILD_KINDS


def child_kind(kind: str) -> ChildKind:
    """The row of a kind; of a kind that is in no row nothing is known, and its lists are compared in order."""
    return _BY_KIND.get(kind, _ANY_OTHER)


_BY_KIND: Final = {row.resource.kind: row for row in (*CHILD_KINDS, *GATEWAY_KINDS)}
_ANY_OTHER: Final = ChildKind(ApiResource("", "", ""), {}, verbs=())

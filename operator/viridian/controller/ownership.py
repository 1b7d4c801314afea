"""Which objects are ours: never adopt somebody else's, never act on what an earlier namesake left behind."""

from __future__ import annotations

from viridian.api.names import GROUP, MANAGED_BY, MANAGED_BY_LABEL
from viridian.controller.keys import Key
from viridian.ports.cluster import ClusterConflict, Object


class LeftBehind(ClusterConflict):
    """A child's name is still taken by the child of an earlier object of the same name; its collection is under way."""


def owned(child: Object, uid: str) -> bool:
    """Whether the child is controlled by the owner with that uid, or is ours and lost its owner reference."""
    metadata = child["metadata"]
    controller = next((r for r in metadata.get("ownerReferences") or () if r.get("controller")), None)
    if controller is not None:
        return bool(controller.get("uid") == uid)
    return (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY


def check_not_left_behind(child: Object, key: Key) -> None:
    """Raise for a child of an earlier object of the same kind and name."""
    for owner in child["metadata"].get("ownerReferences") or ():
        ours = owner.get("apiVersion", "").startswith(f"{GROUP}/") and owner.get("kind") == key.kind
        if ours and owner.get("name") == key.name:
            raise LeftBehind(f"{child['kind']} {child['metadata']['name']} belongs to an earlier {key}")

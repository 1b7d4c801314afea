"""Which objects are ours: never adopt somebody else's, never act on what an earlier namesake left behind."""

from __future__ import annotations

from viridian.api.names import MODEL_DEPLOYMENT_LABEL
from viridian.controller.keys import Key
from viridian.core.ownership import Belongs, belongs, is_left_behind
from viridian.ports.cluster import ClusterConflict, Object


class LeftBehind(ClusterConflict):
    """A child's name is still taken by the child of an earlier object of the same name; its collection is under way."""


def owned(child: Object, key: Key, uid: str) -> bool:
    """Whether the child is ours, or an orphan that carries the name of our object."""
    whose = belongs(child, uid)
    labelled = (child["metadata"].get("labels") or {}).get(MODEL_DEPLOYMENT_LABEL)
    return whose is Belongs.OURS or (whose is Belongs.ORPHAN and labelled == key.name)


def check_not_left_behind(child: Object, key: Key, uid: str) -> None:
    """Raise for a child of an earlier object of the same kind and name."""
    if is_left_behind(child, uid, key.kind, key.name):
        raise LeftBehind(f"{child['kind']} {child['metadata']['name']} belongs to an earlier {key}")

"""A status that an older release has written: one field manager applied all of it. Each part goes to its own manager.

First the parts are applied as they stand, each by the manager that owns it now, then the former manager gives up
everything. So nothing is lost, nothing is doubled, and what no part names any more is removed. It may stop anywhere
between two of these writes: the next pass goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from viridian.api.names import FORMER_STATUS_MANAGER
from viridian.controller.status_parts import STATUS_PARTS, Status
from viridian.ports.cluster import Cluster, Object


def has_former_manager(manifest: Object) -> bool:
    """Whether an older release has written this status."""
    return FORMER_STATUS_MANAGER in _managers(manifest)


async def hand_over(cluster: Cluster, manifest: Object) -> None:
    """Give each part to the manager that owns it now; raises ClusterError."""
    managers = _managers(manifest)
    for part in STATUS_PARTS[manifest["kind"]]:
        stored = part.of(manifest.get("status"))
        if stored and part.manager not in managers:
            manifest = await cluster.apply_status(status_of(manifest, stored), manager=part.manager)
    await cluster.apply_status(status_of(manifest, None), manager=FORMER_STATUS_MANAGER)


def status_of(manifest: Mapping[str, Any], status: Status | None) -> dict[str, Any]:
    """The intent of one manager for the status of exactly the object that was read; None gives up all of it.

    The version is a precondition: what was decided about another state of the object, or about a namesake, is void.
    The API server does not compare a uid here.
    """
    metadata = manifest["metadata"]
    intent = {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": {name: metadata[name] for name in ("name", "namespace", "resourceVersion")},
    }
    return intent if status is None else {**intent, "status": status}


def _managers(manifest: Mapping[str, Any]) -> frozenset[str]:
    """The field managers that own something of the status."""
    entries = manifest["metadata"].get("managedFields") or ()
    owning = [entry for entry in entries if entry.get("subresource") == "status" and entry.get("fieldsV1")]
    return frozenset(str(entry.get("manager")) for entry in owning)

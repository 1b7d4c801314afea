"""An object in memory beside the one on a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.contract.cluster.world import World, read
from viridian.ports.cluster import Object


async def compared(memory: World, server: World, manifest: Object) -> None:
    """Differences by path: what is in memory, what is on the server."""
    there = {**manifest, "metadata": {**manifest["metadata"], "namespace": server.namespace}}
    one, other = comparable(await read(memory, manifest)), comparable(await read(server, there))
    assert list(differences(one, other)) == []


def differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from differences(one.get(key), other.get(key), f"{path}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}/{index}")
    elif one != other:
        yield path, one, other


def comparable(found: Object) -> Object:
    """Without what differs from cluster to cluster, and without the status that a controller writes."""
    metadata = found["metadata"]
    left_out = ("metadata",) if found["kind"] == "ModelDeployment" else ("metadata", "status")
    text = json.dumps({key: value for key, value in found.items() if key not in left_out})
    result: Object = json.loads(text.replace(metadata["uid"], "UID"))
    if found["kind"] == "Service":
        result["spec"] = {k: v for k, v in result["spec"].items() if k not in ("clusterIP", "clusterIPs")}
    annotations = {k: v for k, v in metadata.get("annotations", {}).items() if "kubernetes.io" not in k}
    kept = {key: metadata.get(key) for key in ("name", "labels", "generation", "finalizers")}
    return {**result, "metadata": {**kept, "annotations": annotations}, "owners": owners(found)}


def owners(found: Object) -> dict[str, Any]:
    """Who applied what. What others own by ordinary updates is compared by what an apply makes of it."""
    entries = [entry for entry in found["metadata"]["managedFields"] if entry["operation"] == "Apply"]
    return {f"{entry['manager']}/{entry.get('subresource', '')}": entry["fieldsV1"] for entry in entries}

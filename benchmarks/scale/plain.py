"""What the control plane alone takes for the same objects, when a plain client creates them and nobody reconciles.

The objects are copies of those of a model that serves: its Deployment, Services, budget, NetworkPolicy and record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.scale import world
from benchmarks.scale.api import AT_ONCE, Api, Object
from benchmarks.scale.ready_pods import NODE, ready_pods
from viridian.api.child_kinds import CHILD_KINDS
from viridian.api.names import (
    API_VERSION,
    MODEL_DEPLOYMENT,
    MODEL_DEPLOYMENT_LABEL,
    REVISION_LABEL,
    SLOT_LABEL,
)
from viridian.api.resources import ApiResource


@dataclass(frozen=True)
class Template:
    """One object of a model, and where its copies are created."""

    resource: ApiResource
    manifest: Object

    def path(self, namespace: str) -> str:
        return f"{_root(self.resource)}/namespaces/{namespace}/{self.resource.plural}"

    def copy(self, name: str) -> Object:
        """The same object of the model of another name."""
        copied: Object = _renamed(self.manifest, self.manifest["metadata"]["labels"][MODEL_DEPLOYMENT_LABEL], name)
        return copied


async def templates(api: Api, namespace: str, model: str) -> Sequence[Template]:
    """What the operator makes of a first version: what serves, without anything of another version or slot."""
    live = await api.get(f"/api/v1/namespaces/{namespace}/services/{model}")
    served = await api.get(f"/apis/{API_VERSION}/namespaces/{namespace}/modeldeployments/{model}")
    champion = {
        SLOT_LABEL: live["spec"]["selector"][SLOT_LABEL],
        REVISION_LABEL: served["status"]["champion"]["revision"],
    }

    def belongs(item: Object) -> bool:
        labels = item["metadata"]["labels"]
        return all(labels.get(label, own) == own for label, own in champion.items())

    found = []
    for row in CHILD_KINDS:
        if MODEL_DEPLOYMENT in row.names and row.resource.kind != "Pod":
            path = f"{_root(row.resource)}/namespaces/{namespace}/{row.resource.plural}"
            listed = await api.get(f"{path}?labelSelector={MODEL_DEPLOYMENT_LABEL}%3D{model}")
            head = {"apiVersion": row.resource.api_version, "kind": row.resource.kind}
            found += [Template(row.resource, {**head, **_bare(item)}) for item in listed["items"] if belongs(item)]
    for template in found:
        if template.resource.kind == "Deployment":
            template.manifest["spec"]["template"]["spec"]["nodeName"] = NODE
    return found


async def seconds(api: Api, chosen: Sequence[Template], models: Sequence[str]) -> float:
    """Until every model's pod is ready."""
    await world.create_namespaces(api)
    left = iter(enumerate(models))

    async def create() -> None:
        for number, name in left:
            namespace = world.namespace_of(number)
            for template in chosen:
                await api.send("POST", template.path(namespace), template.copy(name))

    async with ready_pods(api, but_in=""):
        began = time.monotonic()
        ready = asyncio.create_task(_until_ready(api, len(models)))
        await asyncio.gather(*(create() for _ in range(AT_ONCE)))
        await ready
        return time.monotonic() - began


async def _until_ready(api: Api, number: int) -> None:
    ready: set[str] = set()
    while True:
        async for _, found in api.watch("/apis/apps/v1/deployments?limit=0"):
            if (found.get("status") or {}).get("readyReplicas"):
                ready.add(found["metadata"]["uid"])
            if len(ready) >= number:
                return


def _root(resource: ApiResource) -> str:
    return f"/{'apis' if '/' in resource.api_version else 'api'}/{resource.api_version}"


_OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences")


def _bare(item: Object) -> Object:
    """Without what the API server adds by itself."""
    kept = {key: value for key, value in item.items() if key != "status"}
    kept["metadata"] = {
        key: value for key, value in item["metadata"].items() if key not in (*_OF_THE_SERVER, "namespace")
    }
    if item.get("spec", {}).get("clusterIP"):
        kept["spec"] = {key: value for key, value in item["spec"].items() if key not in ("clusterIP", "clusterIPs")}
    return kept


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _renamed(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, old, new) for inner in value]
    if isinstance(value, str) and (value == old or value.startswith(f"{old}-")):
        return new + value[len(old) :]
    return value

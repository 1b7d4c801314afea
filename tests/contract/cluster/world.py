"""What people and other programs do to a cluster, to the one in memory and to a real one alike."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from tests.support.kube import Kube
from tests.support.memory_cluster import MemoryCluster
from viridian.ports.cluster import Cluster, Object, Reference
from viridian.ports.kubernetes import KubernetesCluster


def ref(manifest: Object) -> Reference:
    metadata = manifest["metadata"]
    return Reference(manifest["apiVersion"], manifest["kind"], metadata["namespace"], metadata["name"])


def version(found: Object) -> str:
    return str(found["metadata"]["resourceVersion"])


class World(Protocol):
    namespace: str

    @property
    def cluster(self) -> Cluster: ...

    async def edit(self, found: Object, change: Mapping[str, Any], subresource: str = "") -> Object:
        """Someone lays a merge patch over the object; null removes a field."""

    async def until(self, reached: Callable[[], Awaitable[bool]]) -> None:
        """Let the cluster work by itself until this awaitable condition holds."""

    async def replace(self, found: Object, manifest: Object) -> Object:
        """Someone deletes the object and makes another of the same name."""

    async def leaving_namespace(self) -> str:
        """A namespace that is being deleted, and will not go."""


async def read(world: World, manifest: Object) -> Object:
    found = await world.cluster.get(ref(manifest))
    assert found is not None
    return found


class MemoryWorld:
    namespace = "default"

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster

    async def edit(self, found: Object, change: Mapping[str, Any], subresource: str = "") -> Object:
        before = self.cluster.find(found["kind"], found["metadata"]["name"], self.namespace)
        assert before is not None
        after = _merged(copy.deepcopy(before), change)
        return self.cluster.store.update(after, "someone", subresource=subresource)

    async def until(self, reached: Callable[[], Awaitable[bool]]) -> None:
        self.cluster.run_controllers()
        assert await reached()

    async def replace(self, found: Object, manifest: Object) -> Object:
        self.cluster.remove(found["kind"], found["metadata"]["name"], self.namespace)
        return self.cluster.create(manifest)

    async def leaving_namespace(self) -> str:
        self.cluster.create(_held_namespace("leaving"))
        self.cluster.remove("Namespace", "leaving", "")
        return "leaving"


class ServerWorld:
    """Everything but the port goes by a client of its own, so that the adapter's mistakes cannot hide themselves."""

    def __init__(self, cluster: KubernetesCluster, kube: Kube, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._kube = kube

    async def edit(self, found: Object, change: Mapping[str, Any], subresource: str = "") -> Object:
        return await asyncio.to_thread(self._kube.merge, found, change, subresource=subresource)

    async def until(self, reached: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(60):
            while True:
                if await reached():
                    return
                await asyncio.sleep(0.05)

    async def replace(self, found: Object, manifest: Object) -> Object:
        await asyncio.to_thread(self._kube.delete, found)
        return await asyncio.to_thread(self._kube.create, manifest)

    async def leaving_namespace(self) -> str:
        manifest = _held_namespace(f"{self.namespace}-leaving")
        await asyncio.to_thread(self._kube.create, manifest)
        await asyncio.to_thread(self._kube.delete, manifest)
        return f"{self.namespace}-leaving"


def _held_namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "finalizers": ["example.org/stay"]}}


def _merged(value: Any, change: Mapping[str, Any]) -> Any:
    """JSON merge patch."""
    result = dict(value) if isinstance(value, Mapping) else {}
    for key, new in change.items():
        if new is None:
            result.pop(key, None)
        elif isinstance(new, Mapping):
            result[key] = _merged(result.get(key), new)
        else:
            result[key] = new
    return result

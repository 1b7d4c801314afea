"""What people and other programs do to a cluster, to the one in memory and to a real one alike."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from tests.support.cluster.deployments import NEVER_READY, READY
from tests.support.kube import Kube
from tests.support.memory_cluster import ManualClock, MemoryCluster, Outcome
from viridian.ports.cluster import Cluster, Object, ObjectRef
from viridian.ports.kubernetes import KubernetesCluster

NOW = "2026-01-05T12:00:00Z"
NOTHING_ELSE = {"ready": False, "restartCount": 0, "image": "", "imageID": ""}


def ref(manifest: Object) -> ObjectRef:
    metadata = manifest["metadata"]
    return ObjectRef(manifest["apiVersion"], manifest["kind"], metadata["namespace"], metadata["name"])


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

    async def keep_pods_from_starting(self, name: str) -> None:
        """Those that are made from now on of the Deployment with this name."""

    async def start_pods(self, name: str) -> None:
        """The kubelet starts the Deployment's pods that are there and wait for it, and they become ready."""

    async def end_pod(self, name: str, exit_code: int) -> None:
        """The running pod of the Job ends."""

    async def pass_time(self, seconds: float) -> None:
        """At least so much."""


async def read(world: World, manifest: Object) -> Object:
    found = await world.cluster.get(ref(manifest))
    assert found is not None
    return found


class MemoryWorld:
    namespace = "default"

    def __init__(self, cluster: MemoryCluster, clock: ManualClock) -> None:
        self.cluster = cluster
        self.clock = clock

    async def edit(self, found: Object, change: Mapping[str, Any], subresource: str = "") -> Object:
        before = self.cluster.find(found["kind"], found["metadata"]["name"], self.namespace)
        assert before is not None
        after = _merged(copy.deepcopy(before), change)
        return self.cluster.store.update(after, "someone", subresource=subresource)

    async def until(self, reached: Callable[[], Awaitable[bool]]) -> None:
        self.cluster.run_controllers()
        assert await reached()

    async def keep_pods_from_starting(self, name: str) -> None:
        started = {pod["metadata"]["name"]: READY for pod in self.cluster.all("Pod")}
        self.cluster.readiness |= {**started, name: NEVER_READY}

    async def start_pods(self, name: str) -> None:
        self.cluster.readiness[name] = READY

    async def end_pod(self, name: str, exit_code: int) -> None:
        self.cluster.outcomes[name] = Outcome(exit_code=exit_code)
        self.cluster.run_controllers()
        self.cluster.outcomes[name] = Outcome(after=1e9)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

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

    async def keep_pods_from_starting(self, name: str) -> None:
        """There is no node for them anyway."""

    async def start_pods(self, name: str) -> None:
        ready = [{"type": kind, "status": "True", "lastTransitionTime": NOW} for kind in ("Ready", "ContainersReady")]
        for pod in [pod for pod in await self._pods(name) if pod["status"]["phase"] == "Pending"]:
            await self._pod_status(pod, {"phase": "Running", "conditions": ready, "podIP": "10.1.1.1"})

    async def end_pod(self, name: str, exit_code: int) -> None:
        [pod] = [pod for pod in await self._pods(name) if pod["status"]["phase"] in ("Pending", "Running")]
        ended = {"exitCode": exit_code, "startedAt": NOW, "finishedAt": NOW, "reason": "Ended"}
        containers = pod["spec"]["containers"]
        statuses = [{"name": c["name"], "state": {"terminated": ended}, **NOTHING_ELSE} for c in containers]
        phase = "Failed" if exit_code else "Succeeded"
        await self._pod_status(pod, {"phase": phase, "containerStatuses": statuses})

    async def pass_time(self, seconds: float) -> None:
        """Real time passes by itself while `until` waits."""

    async def _pods(self, owner: str) -> list[Object]:
        """Those whose names begin with the owner's name; there is at least one."""
        found: list[Object] = []

        async def some() -> bool:
            pods = await asyncio.to_thread(self._kube.list, "v1", "Pod", self.namespace)
            found[:] = [pod for pod in pods if pod["metadata"]["name"].startswith(f"{owner}-")]
            return bool(found)

        await self.until(some)
        return found

    async def _pod_status(self, pod: Object, status: Object) -> None:
        target = {"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]}
        await asyncio.to_thread(self._kube.merge, target, {"status": status}, subresource="status")

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

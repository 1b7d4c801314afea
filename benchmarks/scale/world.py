"""Many ModelDeployments and RetrainPolicies, and how far the operator is with them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from benchmarks.scale.api import Api, Object
from benchmarks.scale.ready_pods import NODE
from tests.support.kube import condition
from tests.support.manifests import model_deployment, retrain_policy
from viridian.api.names import API_VERSION

NAMESPACES = 20
MODELS = f"/apis/{API_VERSION}/modeldeployments"


def names(models: int) -> list[str]:
    """The names of the models, which are those of their registered models as well."""
    return [f"model-{number:05d}" for number in range(models)]


async def fill(api: Api, models: Sequence[str], policies: int) -> None:
    """Create all objects, spread over the namespaces; the first models have a RetrainPolicy each."""
    await create_namespaces(api)
    for number in range(NAMESPACES):
        namespace_, root = namespace_of(number), f"/apis/{API_VERSION}/namespaces/{namespace_of(number)}"
        mine = models[number::NAMESPACES]
        policied = [name for index, name in enumerate(mine) if index * NAMESPACES + number < policies]
        await api.create_all(f"{root}/modeldeployments", [_model(namespace_, name) for name in mine])
        await api.create_all(f"{root}/retrainpolicies", [_policy(namespace_, name) for name in policied])


async def create_namespaces(api: Api) -> None:
    for number in range(NAMESPACES):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace_of(number)}}
        await api.send("POST", "/api/v1/namespaces", namespace)


def namespace_of(number: int) -> str:
    """Of the model of that number."""
    return f"team-{number % NAMESPACES:02d}"


def _model(namespace: str, name: str) -> Object:
    server = {"replicas": 1, "template": {"spec": {"nodeName": NODE}}}
    return model_deployment(namespace, name, model={"registry": {"name": name, "alias": "candidate"}}, server=server)


def _policy(namespace: str, name: str) -> Object:
    return retrain_policy(
        namespace, name, modelDeployment=name, triggers=[{"name": "yearly", "schedule": {"cron": "0 3 1 1 *"}}]
    )


@dataclass
class Readiness:
    """Which models are ready, from a watch."""

    ready: set[str] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, number: int, seconds: float) -> bool:
        """Whether so many were ready in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(self.ready) < number:
                    self.changed.clear()
                    await self.changed.wait()
        return len(self.ready) >= number

    def see(self, manifest: Object) -> None:
        if condition(manifest, "Ready").get("status") == "True":
            self.ready.add(f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}")
            self.changed.set()


@asynccontextmanager
async def readiness(api: Api) -> AsyncIterator[Readiness]:
    """Follows all ModelDeployments within the block."""
    found = Readiness()

    async def follow() -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async for _, manifest in api.watch(f"{MODELS}?limit=0"):
                    found.see(manifest)

    task = asyncio.create_task(follow())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

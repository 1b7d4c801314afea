"""The stand-in for kubelets: every serving pod is ready as soon as it is there, by one write to its status.

The pods name their node themselves, so no scheduler has work with them. The node is an object that stays ready.
Nobody answers at the addresses of these pods: a model at rest is asked nothing. The pods of the model on trial belong
to `tests.support.kubelet`, which serves their counters.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from urllib.parse import quote

import aiohttp

from benchmarks.scale.api import AT_ONCE, Api, Object
from tests.support.kube import condition
from viridian.api.names import MANAGED_BY, MANAGED_BY_LABEL

NODE = "stand-in"
_STRATEGIC = "application/strategic-merge-patch+json"
_HEARTBEAT = 10.0
"""Seconds; the controller manager takes a node for lost after 40."""
_OURS = quote(f"{MANAGED_BY_LABEL}={MANAGED_BY}")


@asynccontextmanager
async def ready_pods(api: Api, *, but_in: str) -> AsyncIterator[None]:
    """At work within the block, for all namespaces but one."""
    await api.send("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    waiting: asyncio.Queue[Object] = asyncio.Queue()
    numbers = count(1)

    async def look() -> None:
        seen: set[str] = set()
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async for type_, pod in api.watch(f"/api/v1/pods?labelSelector={_OURS}"):
                    metadata = pod["metadata"]
                    if type_ != "ADDED" or metadata["namespace"] == but_in or condition(pod, "Ready").get("status"):
                        continue
                    if metadata["uid"] not in seen:
                        seen.add(metadata["uid"])
                        waiting.put_nowait(pod)

    async def make_ready() -> None:
        while True:
            pod = await waiting.get()
            metadata = pod["metadata"]
            path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
            with contextlib.suppress(RuntimeError):  # it is gone
                await api.send("PATCH", path, {"status": _ready(pod, next(numbers))}, _STRATEGIC)

    async def keep_node_ready() -> None:
        while True:
            ready = {"type": "Ready", "status": "True", "reason": "StandIn", "lastHeartbeatTime": _now()}
            await api.send("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": {"conditions": [ready]}}, _STRATEGIC)
            await asyncio.sleep(_HEARTBEAT)

    tasks = [asyncio.create_task(keep_node_ready()), asyncio.create_task(look())]
    tasks += [asyncio.create_task(make_ready()) for _ in range(AT_ONCE)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _ready(pod: Object, number: int) -> Object:
    now = _now()
    ip = f"127.{100 + number // 62500 % 100}.{number // 250 % 250}.{number % 250 + 1}"
    conditions = ("Initialized", "ContainersReady", "Ready")
    return {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": now,
        "conditions": [{"type": name, "status": "True", "lastTransitionTime": now} for name in conditions],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            for container in pod["spec"]["containers"]
        ],
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

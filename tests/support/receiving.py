"""A receiver at its port, before a cluster in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.cluster.clock import ManualClock
from tests.support.event_sending import KEY, body_of, cloud_event, signed
from tests.support.memory_cluster import MemoryCluster
from viridian.bounded_site import BoundedSite
from viridian.core.selectors import EVERYTHING
from viridian.ports.cluster import ClusterConflict, ClusterError, Labels, Object, ObjectRef
from viridian.receiver.event_store import EventStore
from viridian.receiver.key_folders import KeyFolders
from viridian.receiver.receiver_app import ReceiverApp
from viridian.receiver.senders import ClusterAuthorizer, Senders

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PATH = "/v1/events/ml/churn"


class ReceivingCluster:
    """The calls of the receiver on a cluster in memory; tests/api holds the receiver to a real one."""

    def __init__(self, memory: MemoryCluster) -> None:
        self.memory = memory
        self.tokens: dict[str, str] = {}
        """Whose a token is."""
        self.rights: set[tuple[str, str, str]] = set()
        """User, namespace and policy."""
        self.fails: list[ClusterError] = []
        """Raised by the next creations of records, in turn."""
        self.reviews = 0

    async def get(self, reference: ObjectRef) -> Object | None:
        return await self.memory.get(reference)

    async def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Labels | None = None
    ) -> Sequence[Object]:
        return await self.memory.list(api_version, kind, namespace, labels)

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        if manifest["kind"] in ("TokenReview", "SubjectAccessReview"):
            self.reviews += 1
            return {"status": self._review(manifest["kind"], manifest["spec"])}
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails.pop(0)
        metadata = manifest["metadata"]
        if self.memory.find(manifest["kind"], metadata["name"], metadata["namespace"]) is not None:
            raise ClusterConflict("AlreadyExists")
        return self.memory.create(manifest)

    def _review(self, kind: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        if kind == "TokenReview":
            user = self.tokens.get(spec["token"])
            return {"authenticated": user is not None, "audiences": spec["audiences"], "user": {"username": user or ""}}
        asked = spec["resourceAttributes"]
        assert (asked["verb"], asked["resource"], asked["subresource"]) == ("create", "retrainpolicies", "events")
        return {"allowed": (spec["user"], asked["namespace"], asked["name"]) in self.rights}


@dataclass
class Metrics:
    counts: dict[str, int] = field(default_factory=dict)

    def received(self, result: str, number: int) -> None:
        self.counts[result] = self.counts.get(result, 0) + number


@dataclass
class Reply:
    status: int
    document: dict[str, Any]
    headers: Mapping[str, str]


@dataclass
class Receiver:
    """The receiver, and a client of it."""

    cluster: ReceivingCluster
    clock: ManualClock
    metrics: Metrics
    keys: Path
    site: BoundedSite
    http: aiohttp.ClientSession

    @property
    def now(self) -> float:
        return self.clock().timestamp()

    async def send(self, body: bytes, headers: Mapping[str, str], path: str = PATH) -> Reply:
        url = f"http://127.0.0.1:{self.site.port}{path}"
        async with self.http.post(url, data=body, headers=headers, skip_auto_headers=["Content-Type"]) as response:
            return Reply(response.status, await response.json(content_type=None), dict(response.headers))

    async def send_event(self, event_id: str = "1", path: str = PATH, **attributes: Any) -> Reply:
        """A CloudEvent, signed."""
        body = body_of(cloud_event(event_id, **attributes))
        return await self.send(body, signed(body, self.now), path)

    def stored(self) -> list[Object]:
        """The data of all events that are stored."""
        found = self.cluster.memory.all("ControllerRevision")
        return [dict(one["data"]) for one in found if "viridian.dev/received-event" in one["metadata"]["labels"]]


def retrain_policy(name: str = "churn", namespace: str = "ml", **event: str) -> dict[str, Any]:
    container = {"name": "train", "image": "train:1"}
    trigger = {"name": "ready", "event": event or {"type": "dev.example.batch.ready"}}
    return {
        "apiVersion": "viridian.dev/v1alpha1",
        "kind": "RetrainPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": {"team": "ads"}},
        "spec": {
            "modelDeployment": "churn",
            "triggers": [trigger],
            "stages": {"training": {"template": {"spec": {"containers": [container]}}}},
        },
    }


@asynccontextmanager
async def receiver_on(
    folder: Path, *, rate: float = 1000, tokens: bool = True, event: Mapping[str, str] | None = None, **store: Any
) -> AsyncIterator[Receiver]:
    """A receiver with one key for the namespace ml and another one for the namespace other.

    `event` is what the trigger of the policies asks for.
    """
    clock = ManualClock(NOW)
    memory = MemoryCluster(clock)
    for namespace in ("ml", "other"):
        memory.create_namespace(namespace)
        memory.create(retrain_policy(namespace=namespace, **(event or {})))
        (folder / namespace).mkdir()
    (folder / "ml" / "airflow").write_text(KEY)
    (folder / "other" / "dagster").write_text("another-key-of-at-least-24-bytes")
    cluster, metrics = ReceivingCluster(memory), Metrics()

    def seconds() -> float:
        return clock().timestamp()

    keys = KeyFolders({namespace: folder / namespace for namespace in ("ml", "other")})
    senders = Senders(keys, ClusterAuthorizer(cluster) if tokens else None, seconds, seconds)
    settings: dict[str, Any] = {"serves": lambda _: True, "selector": EVERYTHING, **store}
    kept = EventStore(cluster, now=clock, clock=seconds, **settings)
    site = BoundedSite(ReceiverApp(senders, kept, metrics, rate, seconds).application(), 0)
    await site.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Receiver(cluster, clock, metrics, folder, site, http)
    finally:
        await site.close()

"""One Lease, as leader election needs it: read it, write it unless it has changed, hear of its changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, Protocol

from viridian.api.lease import LeaseRecord
from viridian.ports.cluster import Object, ObjectRef
from viridian.ports.kubernetes import KubernetesCluster

API: Final = "coordination.k8s.io/v1"
_LABELS: Final = {"app.kubernetes.io/part-of": "viridian"}


class Lease(Protocol):
    """Every call but `changes` has a timeout; all raise the errors of `viridian.ports.cluster`."""

    async def read(self) -> LeaseRecord | None:
        """What stands on it now; None where there is none."""

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        """The record as stored; ClusterConflict where another version than that of the record is stored by now."""

    def changes(self) -> AsyncGenerator[LeaseRecord | None]:
        """What stands on it now, and then after each change, until the API server ends the stream."""


class KubernetesLease:
    """Satisfies `Lease`."""

    def __init__(self, cluster: KubernetesCluster, *, namespace: str, name: str) -> None:
        self._cluster = cluster
        self._reference = ObjectRef(API, "Lease", namespace, name)

    async def read(self) -> LeaseRecord | None:
        return _record(await self._cluster.get(self._reference))

    async def write(self, record: LeaseRecord) -> LeaseRecord:
        call = self._cluster.replace if record.version else self._cluster.create
        return parse(await call(manifest(record, self._reference)))

    async def changes(self) -> AsyncGenerator[LeaseRecord | None]:
        async with aclosing(self._cluster.follow(self._reference)) as objects:
            async for found in objects:
                yield _record(found)


def manifest(record: LeaseRecord, reference: ObjectRef) -> Object:
    """The Lease that says this. Its whole spec is ours; what others have put into its metadata is not kept."""
    metadata: dict[str, Any] = {"namespace": reference.namespace, "name": reference.name, "labels": _LABELS}
    if record.version:
        metadata["resourceVersion"] = record.version
    spec = {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": record.seconds,
        "acquireTime": record.acquired or None,
        "renewTime": record.renewed or None,
        "leaseTransitions": record.transitions,
    }
    return {"apiVersion": API, "kind": "Lease", "metadata": metadata, "spec": spec}


def parse(found: Object) -> LeaseRecord:
    """The content of a Lease."""
    spec = found.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        seconds=spec.get("leaseDurationSeconds") or LeaseRecord().seconds,
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
        version=found["metadata"]["resourceVersion"],
    )


def _record(found: Object | None) -> LeaseRecord | None:
    return None if found is None else parse(found)

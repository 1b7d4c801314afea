"""Writes that take effect only where the object is as the pass has read it.

A pass decides about what it has read. Another operator, or a person, may have written since: then the API server
refuses the write, and the pass is made anew. So a leader that was cut off or stood still in the middle of a pass undoes
nothing that the next leader has decided. What the pass has seen not to be there is made only where it is still not
there. Of objects that a pass has not read nothing is known: they have names that follow from their content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from viridian.ports.cluster import Cluster, Labels, ListPage, Object, ObjectRef

_NEVER: Final = "1"
"""A resourceVersion that no object has: an apply with it creates, and changes nothing that is there."""

_Versions = dict[ObjectRef, str]
_read: ContextVar[_Versions | None] = ContextVar("read", default=None)


@contextmanager
def one_pass() -> Iterator[None]:
    """What is read in here is what writes in here are about; the tasks that are made in here belong to it."""
    token = _read.set({})
    try:
        yield
    finally:
        _read.reset(token)


class ConditionalCluster:
    """The same cluster, for reconcilers. Outside of `one_pass` it adds nothing."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, reference: ObjectRef) -> Object | None:
        found = await self._cluster.get(reference)
        _saw(reference, found)
        return found

    async def page(
        self, api_version: str, kind: str, namespace: str | None, *, limit: int, token: str = ""
    ) -> ListPage:
        return await self._cluster.page(api_version, kind, namespace, limit=limit, token=token)

    async def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Labels | None = None
    ) -> Sequence[Object]:
        found = await self._cluster.list(api_version, kind, namespace, labels)
        for one in found:
            _saw(_reference(one), one)
        return found

    async def apply(self, manifest: Mapping[str, Any], *, manager: str, force: bool = True) -> Object:
        reference = _reference(manifest)
        version = _version(reference)
        if version:
            manifest = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}
        stored = await self._cluster.apply(manifest, manager=manager, force=force)
        _made(reference, stored)
        return stored

    async def apply_status(self, manifest: Mapping[str, Any], *, manager: str) -> Object:
        return await self._cluster.apply_status(manifest, manager=manager)

    async def delete(self, reference: ObjectRef, *, uid: str, version: str = "") -> None:
        await self._cluster.delete(reference, uid=uid, version=version or _version(reference))

    async def record_event(self, regarding: Mapping[str, Any], *, kind: str, reason: str, message: str) -> None:
        await self._cluster.record_event(regarding, kind=kind, reason=reason, message=message)


def _saw(reference: ObjectRef, found: Object | None) -> None:
    """The first look counts: what a pass decides, it decides about that."""
    versions = _read.get()
    if versions is not None:
        versions.setdefault(reference, _NEVER if found is None else found["metadata"]["resourceVersion"])


def _made(reference: ObjectRef, stored: Object) -> None:
    """What the pass has written itself is no news to it."""
    versions = _read.get()
    if versions is not None:
        versions[reference] = stored["metadata"]["resourceVersion"]


def _version(reference: ObjectRef) -> str:
    return (_read.get() or {}).get(reference, "")


def _reference(manifest: Mapping[str, Any]) -> ObjectRef:
    metadata = manifest["metadata"]
    return ObjectRef(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"])

"""The children of some objects, listed by kind, in the place of the API server.

A sweep looks at many objects at once: it lists what belongs to all of them, and each look reads from these lists. What
they do not hold is not there, as far as a look can tell: where that matters, the plan has something to do, and a pass
reads it by name. Whatever is neither a child nor an owner of theirs is not answered at all.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final

from viridian.api.child_kinds import CHILD_KINDS, ChildKind, child_kinds
from viridian.api.names import MODEL_DEPLOYMENT, MODEL_DEPLOYMENT_LABEL, RETRAIN_POLICY, RETRAIN_POLICY_LABEL
from viridian.controller.keys import Key
from viridian.ports.cluster import Cluster, Labels, Object, ObjectRef

_LABELS: Final = {MODEL_DEPLOYMENT: MODEL_DEPLOYMENT_LABEL, RETRAIN_POLICY: RETRAIN_POLICY_LABEL}


class NotListed(Exception):
    """The lists do not show it: a pass has to find out."""


class _NotAsked:
    """A port that a look does not use."""

    def __getattr__(self, name: str) -> Any:
        async def call(*_: Any, **__: Any) -> Any:
            raise NotListed(name)

        return call


NOT_ASKED: Final[Any] = _NotAsked()


class ListedChildren:
    """Satisfies `viridian.ports.cluster.ClusterReader` for the children of owners of one kind and namespace."""

    def __init__(
        self,
        cluster: Cluster,
        owner_kind: str,
        owners: Collection[Key],
        children: Sequence[Object],
        rows: Sequence[ChildKind] = CHILD_KINDS,
    ) -> None:
        self._cluster = cluster
        self._label = _LABELS[owner_kind]
        self._kinds = {_kind(row) for row in rows if owner_kind in row.names}
        self._owners = {(key.namespace, key.name) for key in owners}
        self._by_reference = {_reference(child): child for child in children}
        self._by_owner: defaultdict[tuple[str, str], list[Object]] = defaultdict(list)
        for child in children:
            self._by_owner[child["kind"], child["metadata"]["labels"][self._label]].append(child)

    async def get(self, reference: ObjectRef) -> Object | None:
        if reference.kind in (MODEL_DEPLOYMENT, "Gateway"):  # others name these, so they are in no list by label
            return await self._cluster.get(reference)
        if (reference.api_version, reference.kind) not in self._kinds:
            raise NotListed(f"{reference.kind} {reference.name}")
        return self._by_reference.get(reference)

    async def list(
        self, api_version: str, kind: str, namespace: str | None, labels: Labels | None = None
    ) -> Sequence[Object]:
        wanted = dict(labels or {})
        owner = wanted.pop(self._label, None)
        if (api_version, kind) not in self._kinds or (namespace, owner) not in self._owners:
            raise NotListed(f"{kind} with {labels}")
        listed = self._by_owner.get((kind, str(owner)), [])
        return [child for child in listed if wanted.items() <= child["metadata"]["labels"].items()]


async def list_children(
    cluster: Cluster, owner_kind: str, namespace: str, owners: Collection[Key], *, gateway_api: bool = False
) -> ListedChildren:
    """What carries the label of one of these owners, which are of one kind and namespace; raises ClusterError."""
    labels = {_LABELS[owner_kind]: frozenset(key.name for key in owners)}
    rows = [row for row in child_kinds(gateway_api=gateway_api) if owner_kind in row.names]
    lists = await asyncio.gather(*(cluster.list(*_kind(row), namespace, labels) for row in rows))
    return ListedChildren(cluster, owner_kind, owners, [child for listed in lists for child in listed], rows)


def _kind(row: ChildKind) -> tuple[str, str]:
    return row.resource.api_version, row.resource.kind


def _reference(child: Object) -> ObjectRef:
    metadata = child["metadata"]
    return ObjectRef(child["apiVersion"], child["kind"], metadata["namespace"], metadata["name"])

"""Routes of users of which a ModelDeployment joins a rule: read by name and by mark, and given back in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from viridian.api.names import CHILDREN_MANAGER, JOINED_LABEL, JOINED_LABEL_VALUE
from viridian.controller.keys import Key
from viridian.core.lookup import text
from viridian.ports.cluster import Cluster, Object, ObjectRef
from viridian.rollout.traffic.joined_rule import HTTP_ROUTES, JoinedRule, JoinMark, given_back, mark_of, route_name


@dataclass(frozen=True, slots=True)
class UserRoutes:
    """The routes of the cluster."""

    cluster: Cluster

    async def of(self, key: Key, wanted: JoinedRule | None) -> Sequence[Object]:
        """The route of the wanted rule, and all that bear the mark of a ModelDeployment of this name."""
        marked, named = await asyncio.gather(self._marked(key), self._named(key, wanted))
        others = [route for route, _ in marked if named is None or route_name(route) != route_name(named)]
        return [*([named] if named is not None else []), *others]

    async def give_back(self, key: Key) -> None:
        """Lead the rules back that are marked for an object that is gone; raises ClusterError."""
        marked = await self._marked(key)
        present = await self.cluster.get(key.reference) if marked else None
        for route, mark in marked:
            if mark.uid != text(present, "metadata", "uid"):
                await self.cluster.apply(given_back(route, mark), manager=CHILDREN_MANAGER)

    async def _marked(self, key: Key) -> list[tuple[Object, JoinMark]]:
        return [pair for pair in await marked_routes(self.cluster, key.namespace) if pair[1].owner == key.name]

    async def _named(self, key: Key, wanted: JoinedRule | None) -> Object | None:
        if wanted is None:
            return None
        return await self.cluster.get(ObjectRef(*HTTP_ROUTES, key.namespace, wanted.route))


async def marked_routes(cluster: Cluster, namespace: str | None) -> list[tuple[Object, JoinMark]]:
    """The routes of which a ModelDeployment leads a rule, each with its mark; None for all namespaces.

    Raises ClusterError.
    """
    routes = await cluster.list(*HTTP_ROUTES, namespace, {JOINED_LABEL: JOINED_LABEL_VALUE})
    return [(route, mark) for route in routes if (mark := mark_of(route)) is not None]

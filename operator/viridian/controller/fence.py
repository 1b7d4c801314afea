"""Ports that write only while this operator leads.

Leadership is asked for right before each write, by this process's own clock: a process that was stopped for a while
and goes on in the middle of a pass writes nothing any more. A write that was sent before is held off by its
preconditions (docs/decisions/0023-two-operators.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, Final, cast

from viridian.controller.environment import Environment
from viridian.controller.preconditions import ConditionalCluster
from viridian.ports.cluster import Cluster, ClusterUnavailable
from viridian.ports.pods import Pods
from viridian.ports.registry import Registry, RegistryUnavailable

NOT_LEADING: Final = "this operator does not lead any more: another one has taken over, or the API server is away"

CLUSTER_READS: Final = frozenset({"get", "list"})
REGISTRY_READS: Final = frozenset({"model", "models", "version", "version_of_run", "logged_model", "find_run", "run"})
PODS_READS: Final = frozenset({"scrape"})

MayWrite = Callable[[], bool]


def fenced(environment: Environment) -> Environment:
    """The ports as reconcilers get them: they write while this operator leads, and answer what their pass has read."""
    may_write = environment.leadership.may_write
    return replace(
        environment,
        cluster=ConditionalCluster(fenced_cluster(environment.cluster, may_write)),
        registry=environment.registry and fenced_registry(environment.registry, may_write),
        own_registries={
            namespace: fenced_registry(registry, may_write)
            for namespace, registry in environment.own_registries.items()
        },
        pods=fenced_pods(environment.pods, may_write),
    )


def fenced_cluster(cluster: Cluster, may_write: MayWrite) -> Cluster:
    """The same cluster; writes raise ClusterUnavailable while this operator does not lead."""
    return cast(Cluster, _Fence(cluster, CLUSTER_READS, may_write, ClusterUnavailable))


def fenced_registry(registry: Registry, may_write: MayWrite) -> Registry:
    """The same registry; writes raise RegistryUnavailable while this operator does not lead."""
    return cast(Registry, _Fence(registry, REGISTRY_READS, may_write, RegistryUnavailable))


def fenced_pods(pods: Pods, may_write: MayWrite) -> Pods:
    """The same pods; orders raise ClusterUnavailable while this operator does not lead."""
    return cast(Pods, _Fence(pods, PODS_READS, may_write, ClusterUnavailable))


class _Fence:
    """A port in front of which it is asked. What is not known as a read is taken for a write."""

    def __init__(
        self, port: object, reads: frozenset[str], may_write: MayWrite, refusal: Callable[[str], Exception]
    ) -> None:
        self._port = port
        self._reads = reads
        self._may_write = may_write
        self._refusal = refusal

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name in self._reads:
            return method

        @wraps(method)
        async def write(*arguments: Any, **named: Any) -> Any:
            if not self._may_write():
                raise self._refusal(NOT_LEADING)
            return await method(*arguments, **named)

        return write

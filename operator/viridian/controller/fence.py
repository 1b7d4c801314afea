"""Ports that write only while this operator leads.

Leadership is asked for right before each write, by this process's own clock: a process that was stopped for a while
and goes on in the middle of a pass writes nothing any more. A write that was sent before is held off by its
preconditions (docs/decisions/0023-two-operators.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from viridian.controller.environment import Environment
from viridian.controller.preconditions import ConditionalCluster
from viridian.controller.wrapped_port import Call, Port, wrapped
from viridian.ports.cluster import Cluster, ClusterUnavailable
from viridian.ports.event_sink import EventSink, SinkUnavailable
from viridian.ports.pods import Pods
from viridian.ports.registry import Registry, RegistryUnavailable

NOT_LEADING: Final = "this operator does not lead any more: another one has taken over, or the API server is away"

CLUSTER_READS: Final = frozenset({"get", "list", "page"})
REGISTRY_READS: Final = frozenset({"model", "models", "version", "version_of_run", "logged_model", "find_run", "run"})
PODS_READS: Final = frozenset({"scrape", "input_schemas", "served_features"})

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
        sink=environment.sink and fenced_sink(environment.sink, may_write),
    )


def fenced_cluster(cluster: Cluster, may_write: MayWrite) -> Cluster:
    """The same cluster; writes raise ClusterUnavailable while this operator does not lead."""
    return _fenced(cluster, CLUSTER_READS, may_write, ClusterUnavailable)


def fenced_registry(registry: Registry, may_write: MayWrite) -> Registry:
    """The same registry; writes raise RegistryUnavailable while this operator does not lead."""
    return _fenced(registry, REGISTRY_READS, may_write, RegistryUnavailable)


def fenced_pods(pods: Pods, may_write: MayWrite) -> Pods:
    """The same pods; orders raise ClusterUnavailable while this operator does not lead."""
    return _fenced(pods, PODS_READS, may_write, ClusterUnavailable)


def fenced_sink(sink: EventSink, may_write: MayWrite) -> EventSink:
    """The same sink; it raises SinkUnavailable while this operator does not lead."""
    return _fenced(sink, frozenset(), may_write, SinkUnavailable)


def _fenced(port: Port, reads: frozenset[str], may_write: MayWrite, refusal: Callable[[str], Exception]) -> Port:
    """What is not known as a read is taken for a write."""

    async def while_leading(name: str, call: Call) -> Any:
        if name not in reads and not may_write():
            raise refusal(NOT_LEADING)
        return await call()

    return wrapped(port, while_leading)

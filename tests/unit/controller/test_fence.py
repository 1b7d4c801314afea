"""Whoever does not lead reads and writes nothing: every method of every port, none forgotten."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Protocol

import pytest

from viridian.controller.fence import (
    CLUSTER_READS,
    PODS_READS,
    REGISTRY_READS,
    fenced_cluster,
    fenced_pods,
    fenced_registry,
)
from viridian.ports.cluster import Cluster, ClusterUnavailable
from viridian.ports.pods import Pods
from viridian.ports.registry import Registry, RegistryUnavailable


class Anything:
    """Answers every call with its name."""

    def __getattr__(self, name: str) -> Any:
        async def call(*_: Any, **__: Any) -> str:
            return name

        return call


def methods(port: type[Protocol]) -> list[str]:  # type: ignore[valid-type]
    return [name for name, _ in inspect.getmembers(port, inspect.isfunction) if not name.startswith("_")]


WRITES = {
    "cluster": {"apply", "apply_status", "delete", "record_event"},
    "registry": {
        *("claim", "register", "tag_version", "set_alias", "delete_alias", "create_run", "tag_run", "finish_run"),
    },
    "pods": {"close_connections", "copy_requests"},
}

PORTS: list[Any] = [
    (fenced_cluster, Cluster, CLUSTER_READS, ClusterUnavailable),
    (fenced_registry, Registry, REGISTRY_READS, RegistryUnavailable),
    (fenced_pods, Pods, PODS_READS, ClusterUnavailable),
]
IDS = ["cluster", "registry", "pods"]


@pytest.mark.parametrize(("fence", "port", "reads", "refusal"), PORTS, ids=IDS)
def test_only_reads_pass_while_another_one_leads(fence: Any, port: Any, reads: Any, refusal: Any) -> None:
    fenced = fence(Anything(), lambda: False)
    for name in methods(port):
        if name in reads:
            assert asyncio.run(getattr(fenced, name)()) == name
        else:
            with pytest.raises(refusal, match="does not lead"):
                asyncio.run(getattr(fenced, name)())


@pytest.mark.parametrize(("fence", "port", "reads", "refusal"), PORTS, ids=IDS)
def test_the_leader_does_everything(fence: Any, port: Any, reads: Any, refusal: Any) -> None:
    fenced = fence(Anything(), lambda: True)
    assert [asyncio.run(getattr(fenced, name)()) for name in methods(port)] == methods(port)
    assert reads < set(methods(port))


def test_it_is_asked_with_each_write() -> None:
    answers = iter([True, False])
    fenced = fenced_cluster(Anything(), lambda: next(answers))
    write: Any = fenced.apply

    async def main() -> None:
        assert await write() == "apply"
        with pytest.raises(ClusterUnavailable):
            await write()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("port", "reads", "writes"), [(row[1], row[2], WRITES[name]) for row, name in zip(PORTS, IDS, strict=True)], ids=IDS
)
def test_of_each_method_it_is_known_whether_it_writes(port: Any, reads: Any, writes: set[str]) -> None:
    """A new method of a port belongs into one of the two lists."""
    assert set(methods(port)) == reads | writes

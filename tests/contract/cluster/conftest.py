"""The two clusters that one contract is for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from localcluster.controlplane import ControlPlane
from tests.contract.cluster.world import MemoryWorld, ServerWorld, World
from tests.support.kube import Kube
from tests.support.memory_cluster import ManualClock, MemoryCluster
from viridian.api import crd
from viridian.ports.connection import ApiConnection
from viridian.ports.kubernetes import KubernetesCluster


@pytest.fixture
async def server(control_plane: ControlPlane, kube: Kube, namespace: str) -> AsyncIterator[ServerWorld]:
    """A real API server and the adapter, in a namespace of the test's own."""
    async with KubernetesCluster(ApiConnection.from_kubeconfig(control_plane.kubeconfig)) as cluster:
        yield ServerWorld(cluster, kube, namespace)


@pytest.fixture
def memory() -> MemoryWorld:
    clock = ManualClock()
    return MemoryWorld(MemoryCluster(clock, definitions=[crd.render(kind) for kind in crd.KINDS]), clock)


@pytest.fixture(params=["memory", pytest.param("server", marks=pytest.mark.needs_control_plane)])
def world(request: pytest.FixtureRequest) -> World:
    """The cluster under test, and what others do to it."""
    found: World = request.getfixturevalue(request.param)
    return found

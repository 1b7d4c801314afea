"""The Lease in memory and the one of a real API server: the same tests run against both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from localcluster.controlplane import ControlPlane
from tests.support.kube import Kube
from tests.support.memory_lease import MemoryLease, StoredLease
from viridian.api.lease import LeaseRecord
from viridian.ports.cluster import ClusterConflict
from viridian.ports.connection import ApiConnection
from viridian.ports.kubernetes import KubernetesCluster
from viridian.ports.lease import KubernetesLease, Lease

TIME, LATER = "2026-01-05T12:00:00.000000Z", "2026-01-05T12:00:01.500000Z"
FIRST = LeaseRecord("viridian-operator-7d9f_1", 4, TIME, TIME, 0)


class Candidates:
    """Two processes before one Lease."""

    def __init__(self, one: Lease, other: Lease) -> None:
        self.one, self.other = one, other


@pytest.fixture
async def server(control_plane: ControlPlane, kube: Kube, namespace: str) -> AsyncIterator[Candidates]:
    connection = ApiConnection.from_kubeconfig(control_plane.kubeconfig)
    async with KubernetesCluster(connection) as one, KubernetesCluster(connection) as other:
        yield Candidates(*(KubernetesLease(cluster, namespace=namespace, name="v") for cluster in (one, other)))


@pytest.fixture
def memory() -> Candidates:
    stored = StoredLease()
    return Candidates(MemoryLease(stored), MemoryLease(stored))


@pytest.fixture(params=["memory", pytest.param("server", marks=pytest.mark.needs_control_plane)])
def candidates(request: pytest.FixtureRequest) -> Candidates:
    found: Candidates = request.getfixturevalue(request.param)
    return found


async def test_what_is_written_is_read(candidates: Candidates) -> None:
    assert await candidates.one.read() is None
    stored = await candidates.one.write(FIRST)
    assert replace(stored, version="") == FIRST
    assert await candidates.other.read() == stored
    renewed = await candidates.one.write(replace(stored, renewed=LATER))
    assert renewed.version != stored.version
    assert await candidates.other.read() == renewed


async def test_a_released_one_has_no_holder(candidates: Candidates) -> None:
    stored = await candidates.one.write(FIRST)
    released = await candidates.one.write(replace(stored, holder=""))
    assert released.holder == ""
    assert await candidates.other.read() == released


async def test_of_two_that_make_it_one_has_it(candidates: Candidates) -> None:
    await candidates.one.write(FIRST)
    with pytest.raises(ClusterConflict):
        await candidates.other.write(replace(FIRST, holder="other"))


async def test_who_has_not_seen_the_latest_version_writes_nothing(candidates: Candidates) -> None:
    seen = await candidates.one.write(FIRST)
    latest = await candidates.other.write(replace(seen, holder="other"))
    with pytest.raises(ClusterConflict):
        await candidates.one.write(replace(seen, renewed=LATER))
    assert await candidates.one.read() == latest


async def test_who_follows_it_hears_of_each_change(candidates: Candidates) -> None:
    async with asyncio.timeout(30), aclosing(candidates.other.changes()) as changes:
        assert await anext(changes) is None
        stored = await candidates.one.write(FIRST)
        assert await anext(changes) == stored
        latest = await candidates.one.write(replace(stored, renewed=LATER))
        assert await anext(changes) == latest


async def test_who_follows_one_that_is_there_sees_it_first(candidates: Candidates) -> None:
    stored = await candidates.one.write(FIRST)
    async with asyncio.timeout(30), aclosing(candidates.other.changes()) as changes:
        assert await anext(changes) == stored
        renewed = await candidates.one.write(replace(stored, renewed=LATER))
        heard = await anext(changes)
        while heard == stored:  # the watch may begin with what is there
            heard = await anext(changes)
        assert heard == renewed

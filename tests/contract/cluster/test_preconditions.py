"""What a pass writes takes effect only where the object is as the pass has read it."""

from __future__ import annotations

import pytest

from tests.contract.cluster.manifests import config
from tests.contract.cluster.world import World, read, ref
from viridian.controller.preconditions import ConditionalCluster, one_pass
from viridian.ports.cluster import ClusterConflict, ClusterError

CHANGED = {"data": {"changed": "since"}}


async def test_what_is_as_it_was_read_is_written_again_and_again(world: World) -> None:
    cluster, manifest = ConditionalCluster(world.cluster), config(world.namespace)
    await world.cluster.apply(manifest, manager="v")
    with one_pass():
        await cluster.get(ref(manifest))
        for number in range(3):
            await cluster.apply({**manifest, "data": {"number": str(number)}}, manager="v")
    assert (await read(world, manifest))["data"] == {"number": "2"}


@pytest.mark.parametrize("how", ["get", "list"])
async def test_what_has_changed_since_is_left_alone(world: World, how: str) -> None:
    cluster, manifest = ConditionalCluster(world.cluster), config(world.namespace, labels={"a": "b"})
    made = await world.cluster.apply(manifest, manager="v")
    with one_pass():
        if how == "get":
            await cluster.get(ref(manifest))
        else:
            await cluster.list("v1", "ConfigMap", world.namespace, {"a": "b"})
        await world.edit(made, CHANGED)
        # A second look within the pass makes no difference: it was not what the decision was about.
        await cluster.get(ref(manifest))
        with pytest.raises(ClusterConflict):
            await cluster.apply({**manifest, "data": {"mine": "1"}}, manager="v")
        with pytest.raises(ClusterConflict):
            await cluster.delete(ref(manifest), uid=made["metadata"]["uid"])
    assert "mine" not in (await read(world, manifest))["data"]


async def test_what_was_not_there_is_made_and_never_changed(world: World) -> None:
    cluster, manifest = ConditionalCluster(world.cluster), config(world.namespace)
    with one_pass():
        assert await cluster.get(ref(manifest)) is None
        await cluster.apply(manifest, manager="v", force=False)
    other = config(world.namespace, name="other")
    with one_pass():
        assert await cluster.get(ref(other)) is None
        await world.cluster.apply(other, manager="v")
        with pytest.raises(ClusterConflict):
            await cluster.apply({**other, "data": {"mine": "1"}}, manager="v", force=False)
    assert "mine" not in (await read(world, other))["data"]


async def test_a_pass_knows_nothing_of_the_one_before(world: World) -> None:
    cluster, manifest = ConditionalCluster(world.cluster), config(world.namespace)
    made = await world.cluster.apply(manifest, manager="v")
    with one_pass():
        await cluster.get(ref(manifest))
    await world.edit(made, CHANGED)
    with one_pass():
        await cluster.get(ref(manifest))
        await cluster.apply({**manifest, "data": {"mine": "1"}}, manager="v")
    assert (await read(world, manifest))["data"]["mine"] == "1"


async def test_of_what_was_not_read_nothing_is_presumed(world: World) -> None:
    cluster, manifest = ConditionalCluster(world.cluster), config(world.namespace)
    await world.cluster.apply(manifest, manager="v")
    try:
        with one_pass():
            await cluster.apply({**manifest, "data": {"mine": "1"}}, manager="v")
    except ClusterError as error:  # pragma: no cover - for the message
        pytest.fail(str(error))

"""Refusals on a real API server and in memory alike: the same tests run against both."""

from __future__ import annotations

import pytest

from tests.contract.cluster.manifests import (
    config,
    container,
    deployment,
    job,
    model_deployment,
    pod_spec,
    record,
)
from tests.contract.cluster.world import World, ref
from viridian.ports.cluster import ClusterConflict, ClusterRefused, Object


class TestRefusals:
    """Each names the object and the field, since people read them in a condition."""

    @pytest.mark.parametrize(
        ("pod", "told"),
        [
            pytest.param({"containers": [{"name": "server"}]}, "image: Required value", id="no image"),
            pytest.param({"containers": [container(imagee="x")]}, "imagee: field not declared", id="typing error"),
            pytest.param({"containers": [container()], "nodeSelectr": {"a": "b"}}, "nodeSelectr: field", id="in pod"),
        ],
    )
    async def test_a_pod_that_cannot_be(self, world: World, pod: Object, told: str) -> None:
        with pytest.raises(ClusterRefused, match=told) as caught:
            await world.cluster.apply(deployment(world.namespace, pod=pod_spec(**pod)), manager="v")
        assert "Deployment churn-blue" in str(caught.value)

    @pytest.mark.parametrize(
        ("manifest", "told"),
        [
            pytest.param(deployment("", replicas=-1), "spec.replicas: Invalid value: -1", id="negative"),
            pytest.param(deployment("", selector={"matchLabels": {"a": "b"}}), "does not match", id="selector"),
            pytest.param(config("", name="Not_A_Name"), "metadata.name: Invalid value", id="name"),
            pytest.param(config("", labels={"a": "no label!"}), "metadata.labels: Invalid value", id="label"),
            pytest.param(model_deployment("", server={"replicas": -1}), "spec.server.replicas: Invalid", id="schema"),
        ],
    )
    async def test_an_object_that_cannot_be(self, world: World, manifest: Object, told: str) -> None:
        placed = {**manifest, "metadata": {**manifest["metadata"], "namespace": world.namespace}}
        with pytest.raises(ClusterRefused, match=told):
            await world.cluster.apply(placed, manager="v")

    async def test_what_can_never_change(self, world: World) -> None:
        await world.cluster.apply(record(world.namespace), manager="v")
        with pytest.raises(ClusterRefused, match="immutable"):
            await world.cluster.apply({**record(world.namespace), "data": {"model": {"version": "2"}}}, manager="v")
        await world.cluster.apply(job(world.namespace), manager="v")
        changed = job(world.namespace)
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = "trainer:2"
        with pytest.raises(ClusterRefused, match="immutable"):
            await world.cluster.apply(changed, manager="v")

    async def test_nothing_is_stored(self, world: World) -> None:
        with pytest.raises(ClusterRefused):
            await world.cluster.apply(deployment(world.namespace, replicas=-1), manager="v")
        assert await world.cluster.get(ref(deployment(world.namespace))) is None

    async def test_a_namespace_that_does_not_exist_is_a_conflict(self, world: World) -> None:
        with pytest.raises(ClusterConflict):
            await world.cluster.apply(config("no-such-namespace"), manager="v")

    async def test_a_namespace_that_is_leaving_is_a_conflict(self, world: World) -> None:
        leaving = await world.leaving_namespace()
        with pytest.raises(ClusterConflict):
            await world.cluster.apply(config(leaving), manager="v")

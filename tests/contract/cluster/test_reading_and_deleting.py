"""Reading, deleting and telling on a real API server and in memory alike: the same tests run against both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.cluster.manifests import (
    budget,
    config,
    deployment,
    job,
    model_deployment,
    network_policy,
    owned_by,
    record,
    service,
)
from tests.contract.cluster.world import World, read, ref, version
from viridian.ports.cluster import ClusterConflict, ObjectRef

EVERY_KIND = [budget, config, deployment, job, model_deployment, network_policy, record, service]


class TestReading:
    async def test_what_does_not_exist(self, world: World) -> None:
        assert await world.cluster.get(ObjectRef("v1", "ConfigMap", world.namespace, "nothing")) is None

    async def test_in_a_namespace_that_does_not_exist(self, world: World) -> None:
        assert await world.cluster.get(ObjectRef("v1", "ConfigMap", "no-such-namespace", "nothing")) is None
        assert await world.cluster.list("v1", "ConfigMap", "no-such-namespace") == []

    @pytest.mark.parametrize("build", EVERY_KIND)
    async def test_what_was_applied(self, world: World, build: Any) -> None:
        manifest = build(world.namespace)
        await world.cluster.apply(manifest, manager="viridian")
        found = await read(world, manifest)
        assert (found["apiVersion"], found["kind"]) == (manifest["apiVersion"], manifest["kind"])
        assert found["metadata"]["name"] == manifest["metadata"]["name"]

    async def test_by_label(self, world: World) -> None:
        await world.cluster.apply(config(world.namespace, name="a", labels={"app": "x", "slot": "blue"}), manager="v")
        await world.cluster.apply(config(world.namespace, name="b", labels={"app": "x"}), manager="v")
        await world.cluster.apply(config(world.namespace, name="c"), manager="v")
        found = await world.cluster.list("v1", "ConfigMap", world.namespace, {"app": "x"})
        assert [item["metadata"]["name"] for item in found] == ["a", "b"]
        assert {(item["apiVersion"], item["kind"]) for item in found} == {("v1", "ConfigMap")}
        both = {"app": "x", "slot": "blue"}
        assert len(await world.cluster.list("v1", "ConfigMap", world.namespace, both)) == 1

    async def test_by_one_of_several_values_of_a_label(self, world: World) -> None:
        for name, labels in {"a": {"of": "x"}, "b": {"of": "y"}, "c": {"of": "z"}, "d": {}}.items():
            await world.cluster.apply(config(world.namespace, name=name, labels=labels), manager="v")
        found = await world.cluster.list("v1", "ConfigMap", world.namespace, {"of": frozenset({"x", "z", "none"})})
        assert [item["metadata"]["name"] for item in found] == ["a", "c"]

    async def test_page_by_page(self, world: World) -> None:
        for number in range(3):
            manifest = model_deployment(world.namespace)
            manifest["metadata"]["name"] = f"page-{number}"
            await world.cluster.apply(manifest, manager="v")
        kind = (manifest["apiVersion"], manifest["kind"])
        first = await world.cluster.page(*kind, world.namespace, limit=2)
        last = await world.cluster.page(*kind, world.namespace, limit=2, token=first.next_token)
        assert [item["metadata"]["name"] for item in first.items] == ["page-0", "page-1"]
        assert [item["metadata"]["name"] for item in last.items] == ["page-2"]
        assert {(item["apiVersion"], item["kind"]) for item in (*first.items, *last.items)} == {kind}
        assert last.next_token == ""

    async def test_in_all_namespaces(self, world: World) -> None:
        await world.cluster.apply(config(world.namespace, labels={"only": world.namespace}), manager="v")
        assert len(await world.cluster.list("v1", "ConfigMap", None, {"only": world.namespace})) == 1

    async def test_a_list_of_several_pages(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("viridian.ports.kubernetes.PAGE_SIZE", 2)
        for number in range(5):
            await world.cluster.apply(config(world.namespace, name=f"c{number}", labels={"a": "b"}), manager="v")
        found = await world.cluster.list("v1", "ConfigMap", world.namespace, {"a": "b"})
        assert [item["metadata"]["name"] for item in found] == ["c0", "c1", "c2", "c3", "c4"]


class TestDeleting:
    async def test_what_was_read(self, world: World) -> None:
        made = await world.cluster.apply(config(world.namespace), manager="v")
        await world.cluster.delete(ref(made), uid=made["metadata"]["uid"])
        assert await world.cluster.get(ref(made)) is None

    async def test_what_is_gone(self, world: World) -> None:
        made = await world.cluster.apply(config(world.namespace), manager="v")
        for _ in range(2):
            await world.cluster.delete(ref(made), uid=made["metadata"]["uid"])
        assert await world.cluster.get(ref(made)) is None

    async def test_only_as_it_was_read(self, world: World) -> None:
        made = await world.cluster.apply(config(world.namespace), manager="v")
        await world.edit(made, {"data": {"changed": "since"}})
        with pytest.raises(ClusterConflict):
            await world.cluster.delete(ref(made), uid=made["metadata"]["uid"], version=version(made))
        latest = await read(world, made)
        await world.cluster.delete(ref(made), uid=made["metadata"]["uid"], version=version(latest))
        assert await world.cluster.get(ref(made)) is None

    async def test_never_another_of_the_same_name(self, world: World) -> None:
        made = await world.cluster.apply(config(world.namespace), manager="v")
        other = await world.replace(made, config(world.namespace))
        await world.cluster.delete(ref(made), uid=made["metadata"]["uid"])
        assert (await read(world, made))["metadata"]["uid"] == other["metadata"]["uid"]

    async def test_dependents_go_in_the_background(self, world: World) -> None:
        owner = await world.cluster.apply(model_deployment(world.namespace), manager="v")
        child = await world.cluster.apply(owned_by(owner, deployment(world.namespace)), manager="v")
        await world.cluster.delete(ref(owner), uid=owner["metadata"]["uid"])
        assert await world.cluster.get(ref(owner)) is None

        async def gone() -> bool:
            return await world.cluster.get(ref(child)) is None

        await world.until(gone)

    async def test_a_child_of_an_owner_that_is_gone_is_collected(self, world: World) -> None:
        """A pass that was slower than the deletion of its owner leaves nothing behind."""
        owner = await world.cluster.apply(model_deployment(world.namespace), manager="v")
        await world.cluster.delete(ref(owner), uid=owner["metadata"]["uid"])
        child = await world.cluster.apply(owned_by(owner, config(world.namespace)), manager="v")

        async def gone() -> bool:
            return await world.cluster.get(ref(child)) is None

        await world.until(gone)

    async def test_a_finalizer_of_someone_else_holds_it(self, world: World) -> None:
        made = await world.cluster.apply(config(world.namespace), manager="v")
        await world.edit(made, {"metadata": {"finalizers": ["example.org/stay"]}})
        await world.cluster.delete(ref(made), uid=made["metadata"]["uid"])
        assert "deletionTimestamp" in (await read(world, made))["metadata"]
        await world.edit(made, {"metadata": {"finalizers": None}})
        assert await world.cluster.get(ref(made)) is None


class TestEvents:
    async def test_are_told_about_the_object(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="v")
        await world.cluster.record_event(made, kind="Warning", reason="Reverted", message="5 % errors")
        [event] = await world.cluster.list("events.k8s.io/v1", "Event", world.namespace)
        assert (event["type"], event["reason"], event["note"]) == ("Warning", "Reverted", "5 % errors")
        assert event["regarding"]["uid"] == made["metadata"]["uid"]
        assert event["reportingController"] == "viridian.dev/operator"

    async def test_the_same_twice_are_two(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="v")
        for _ in range(2):
            await world.cluster.record_event(made, kind="Normal", reason="Promoted", message="again")
        assert len(await world.cluster.list("events.k8s.io/v1", "Event", world.namespace)) == 2

    async def test_a_long_note_is_cut_between_two_letters(self, world: World) -> None:
        made = await world.cluster.apply(model_deployment(world.namespace), manager="v")
        await world.cluster.record_event(made, kind="Normal", reason="Promoted", message="ü" * 2000)
        [event] = await world.cluster.list("events.k8s.io/v1", "Event", world.namespace)
        assert event["note"] == "ü" * 510 + "…"
